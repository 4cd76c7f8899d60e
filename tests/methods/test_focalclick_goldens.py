"""FocalClick's networks against values recorded with the original code, and the sizes of their
state dicts.
"""

from __future__ import annotations

import math

import pytest
import torch
from golden import golden_round, golden_tensor, published_shapes, statistics, unused_size

from isegm.core.registry import build
from isegm.methods.focalclick import FocalClick, focalclick_hrnet, focalclick_segformer
from isegm.nn.weights import load_strictly
from isegm.originals.clickseg import publish, recognise

NETWORKS = {
    "hrnet18s s1": focalclick_hrnet(18, "small", 48, "s1"),
    "hrnet18s s2": focalclick_hrnet(18, "small", 48, "s2"),
    "hrnet32 s2": focalclick_hrnet(32, "full", 128, "s2"),
    "b0 s1": focalclick_segformer("b0", "s1"),
    "b0 s2": focalclick_segformer("b0", "s2"),
    "b3 s2": focalclick_segformer("b3", "s2"),
}
# mean, standard deviation, minimum, maximum, [10, 10], centre
OUTPUTS = [
    ("hrnet18s s1", "instances", (0.307317, 0.0231082, 0.181099, 0.353161, 0.261141, 0.308918)),
    ("hrnet18s s1", "refined", (0.238354, 0.00639195, 0.184048, 0.253761, 0.237951, 0.237402)),
    ("hrnet18s s2", "instances", (0.315725, 0.0192589, 0.186782, 0.36403, 0.278322, 0.316688)),
    ("hrnet18s s2", "trimap", (0.159633, 0.00608113, 0.0877456, 0.197314, 0.158531, 0.161687)),
    ("hrnet18s s2", "refined", (0.239656, 0.00741685, 0.17651, 0.263277, 0.234805, 0.240917)),
    ("hrnet32 s2", "instances", (0.557161, 0.144198, 0.0875632, 0.773168, 0.224049, 0.700377)),
    ("hrnet32 s2", "refined", (0.432744, 0.0195851, 0.278647, 0.463721, 0.41712, 0.4471)),
    ("b0 s1", "instances", (-0.17815, 0.0920785, -0.539016, 0.0614713, -0.253157, -0.240639)),
    ("b0 s1", "refined", (0.0142505, 0.0370302, -0.131059, 0.103997, 0.0801313, -0.0568506)),
    ("b0 s2", "instances", (-0.223759, 0.0918084, -0.605813, 0.0748754, -0.32747, -0.301413)),
    ("b0 s2", "coarse", (-0.202007, 0.099374, -0.43944, 0.0736345, -0.106588, -0.294988)),
    ("b0 s2", "refined", (-0.00343309, 0.0477307, -0.14924, 0.126535, 0.0432808, -0.0465324)),
    ("b3 s2", "instances", (-0.292537, 0.110364, -0.585252, 0.0521797, -0.273999, -0.383286)),
    ("b3 s2", "refined", (-0.0730129, 0.0429873, -0.163224, 0.0535879, -0.0545343, -0.111261)),
]
# parameters, buffer elements, keys
SIZES = {
    "hrnet18s s1": (4_231_377, 18_087, 983),
    "hrnet18s s2": (4_231_377, 18_087, 983),
    "hrnet32 s2": (30_967_813, 61_824, 1949),
    "b0 s1": (3_740_773, 903, 257),
    "b0 s2": (3_740_773, 903, 257),
    "b3 s2": (45_687_941, 1_415, 653),
    "b5": (83_058_821, 1_415, 1133),
}
# parameters below a published prefix, for B0 and B3
PREFIXES = {
    "maps_transform.0.": (448, 448),
    "maps_transform.2.": (4640, 4640),
    "maps_transform.3.": (1, 1),
    "feature_extractor.backbone.patch_embed1.": (4800, 9600),
    "feature_extractor.backbone.patch_embed2.": (18624, 74112),
    "feature_extractor.backbone.patch_embed3.": (92640, 369600),
    "feature_extractor.backbone.patch_embed4.": (369408, 1476096),
    "feature_extractor.backbone.patch_embed_side1.": (4800, 9600),
    "feature_extractor.backbone.block1.": (159232, 944640),
    "feature_extractor.backbone.block2.": (236544, 1863680),
    "feature_extractor.backbone.block3.": (837120, 29813760),
    "feature_extractor.backbone.block4.": (1600000, 9518592),
    "feature_extractor.backbone.norm1.": (64, 128),
    "feature_extractor.backbone.norm4.": (512, 1024),
    "feature_extractor.decode_head.linear_c4.": (65792, 262656),
    "feature_extractor.decode_head.linear_c1.": (8448, 33280),
    "feature_extractor.decode_head.linear_fuse.": (262656, 1049600),
    "feature_extractor.decode_head.linear_pred.": (257, 513),
    "refiner.image_conv1.": (1824, 1824),
    "refiner.image_conv2.": (1440, 1440),
    "refiner.refine_fusion.": (8288, 16480),
    "refiner.refine_fusion3.": (1440, 1440),
    "refiner.refine_pred.": (289, 289),
    "refiner.refine_trimap.": (289, 289),
    "refiner.feature_gate.": (33, 33),
}


def golden_model(described: dict) -> FocalClick:
    """A network with golden weights, recognised by these and by the pipeline."""
    model = build(described)
    layout = publish(described)
    shapes = published_shapes(layout, model.state_dict())
    golden = {key: golden_tensor(key, shape) for key, shape in shapes.items()}
    recognised = recognise(shapes, {"pipeline_version": described["args"]["pipeline"]})
    assert recognised.spec == described
    load_strictly(model, golden, "golden weights", recognised.keys, recognised.unused)
    return model.eval()


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, torch.Tensor]]:
    """Every network with golden weights, run once; the refiner looks at the whole image as if it
    were the crop.
    """
    round_ = golden_round(256, 256)
    outputs = {}
    for name, described in NETWORKS.items():
        model, seen = golden_model(described), {}
        model.refiner.register_forward_pre_hook(
            lambda _, inputs, seen=seen: seen.update(coarse=inputs[2])
        )
        with torch.inference_mode():
            pred = model(round_)
            places = torch.tensor([[64.0, 48.0, 200.0, 190.0]])
            refined, band = model.look_closer(pred, round_.image, round_.clicks, places)
        outputs[name] = {"instances": pred.logits, "refined": refined, "trimap": band, **seen}
    return outputs


@pytest.mark.parametrize(("name", "output", "expected"), OUTPUTS)
def test_outputs_equal_the_original_network(
    answers, name: str, output: str, expected: tuple[float, ...]
) -> None:
    assert statistics(answers[name][output]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", SIZES)
def test_state_dict_has_the_published_size(name: str) -> None:
    described = NETWORKS.get(name) or focalclick_segformer(name)
    with torch.device("meta"):
        model = build(described)
    parameters = {key for key, _ in model.named_parameters()}
    buffers = sum(
        value.numel() for key, value in model.state_dict().items() if key not in parameters
    )
    published = publish(described)
    count = sum(p.numel() for p in model.parameters()) + unused_size(published)
    assert (count, buffers, len(published_shapes(published, model.state_dict()))) == SIZES[name]


@pytest.mark.parametrize(("column", "name"), [(0, "b0 s2"), (1, "b3 s2")])
def test_parts_have_the_published_size_and_names(column: int, name: str) -> None:
    with torch.device("meta"):
        model = build(NETWORKS[name])
    shapes = published_shapes(publish(NETWORKS[name]), dict(model.named_parameters()))
    counts = {
        prefix: sum(math.prod(shape) for key, shape in shapes.items() if key.startswith(prefix))
        for prefix in PREFIXES
    }
    assert counts == {prefix: columns[column] for prefix, columns in PREFIXES.items()}
