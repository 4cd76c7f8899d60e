"""The outputs of the original networks under deterministic weights, and the sizes of their state
dicts.
"""

from __future__ import annotations

import pytest
import torch
from golden import golden_round, golden_tensor, statistics

from isegm.core.registry import build
from isegm.core.rounds import Prediction
from isegm.methods.ritm import RITM, ritm_hrnet
from isegm.nn.weights import load_strictly
from isegm.originals.ritm import publish, recognise

H18S, H18, H32, W48 = (18, "small", 48), (18, "full", 64), (32, "full", 128), (48, "full", 128)
# parameters, buffer elements, keys
SIZES = {
    (*H18S, True): (4_220_047, 17_697, 929),
    (*H18, False): (10_032_003, 36_198, 1895),
    (*H18, True): (10_032_019, 36_198, 1895),
    (*H32, True): (30_951_363, 61_434, 1895),
    (*W48, True): (67_812_867, 88_666, 1895),
}
# parameters below a published prefix, for HRNet-18s, 18, 32, 48
PREFIXES = {
    "maps_transform.2.": (9280, 9280, 9280, 9280),
    "feature_extractor.layer1.": (145408, 286208, 286208, 286208),
    "feature_extractor.transition1.": (124524, 124524, 221376, 332064),
    "feature_extractor.stage2.": (65340, 124092, 390848, 878112),
    "feature_extractor.transition2.": (23472, 23472, 73984, 166272),
    "feature_extractor.stage3.": (884304, 2162880, 6821632, 15335040),
    "feature_extractor.transition3.": (93600, 93600, 295424, 664320),
    "feature_extractor.stage4.": (2485224, 6708636, 21177216, 47624256),
    "feature_extractor.conv3x3_ocr.": (233568, 311424, 1106688, 1659648),
    "feature_extractor.ocr_distri_head.": (42336, 74880, 297216, 297216),
    "feature_extractor.cls_head.": (97, 129, 257, 257),
    "feature_extractor.aux_head.": (73981, 73981, 232321, 521281),
}
# mean, standard deviation, minimum, maximum, [10, 10], centre
OUTPUTS = [
    ((*H18S, True), "instance", (0.304143, 0.0251632, 0.178056, 0.364659, 0.265797, 0.298433)),
    ((*H18S, True), "aux", (0.244123, 0.0447629, 0.111444, 0.33666, 0.146299, 0.27002)),
    ((*H18, False), "instance", (1.24818, 0.227041, 0.154414, 1.59576, 0.917079, 1.43034)),
    ((*H18, True), "instance", (1.24731, 0.226915, 0.154197, 1.59521, 0.915709, 1.42893)),
    ((*H18, True), "aux", (1.78218, 0.232088, 0.891264, 2.21213, 1.5763, 1.8768)),
    ((*H32, True), "instance", (0.326408, 0.135224, 0.0454241, 0.714071, 0.188643, 0.360548)),
]


def model_of(
    width: int, depth: str, ocr_width: int, prev_mask: bool
) -> tuple[RITM, dict[str, torch.Tensor]]:
    """The model, and its state dict under the published names."""
    described = ritm_hrnet(width, depth, ocr_width, prev_mask=prev_mask)
    model = build(described)
    return model, publish(described).keys.to_published(model.state_dict())


@pytest.fixture(scope="module")
def answers() -> dict[tuple, Prediction]:
    """Every network of OUTPUTS with golden weights, run once."""
    predictions = {}
    for variant in dict.fromkeys(variant for variant, _, _ in OUTPUTS):
        model, tensors = model_of(*variant)
        golden = {key: golden_tensor(key, tuple(value.shape)) for key, value in tensors.items()}
        recognised = recognise({key: tuple(value.shape) for key, value in golden.items()})
        load_strictly(model, golden, "golden weights", recognised.keys)
        with torch.inference_mode():
            predictions[variant] = model.eval()(golden_round())
    return predictions


@pytest.mark.parametrize(("variant", "output", "expected"), OUTPUTS)
def test_outputs_equal_the_original_network(
    answers, variant: tuple, output: str, expected: tuple[float, ...]
) -> None:
    prediction = answers[variant]
    logits = prediction.logits if output == "instance" else prediction.aux["first_guess"]
    assert statistics(logits) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("variant", SIZES)
def test_state_dict_has_the_published_size(variant: tuple) -> None:
    model, tensors = model_of(*variant)
    parameters = {name for name, _ in model.named_parameters()}
    buffers = sum(
        value.numel() for name, value in model.state_dict().items() if name not in parameters
    )
    assert (sum(p.numel() for p in model.parameters()), buffers, len(tensors)) == SIZES[variant]


@pytest.mark.parametrize(("column", "size"), list(enumerate([H18S, H18, H32, W48])))
def test_parts_have_the_published_size_and_names(column: int, size: tuple) -> None:
    model, tensors = model_of(*size, True)
    parameters = publish(ritm_hrnet(*size)).keys.to_published(dict(model.named_parameters()))
    counts = {
        prefix: sum(p.numel() for key, p in parameters.items() if key.startswith(prefix))
        for prefix in PREFIXES
    }
    assert counts == {prefix: column_of[column] for prefix, column_of in PREFIXES.items()}
    for key in (
        "maps_transform.3.scale",
        "feature_extractor.stage3.0.fuse_layers.2.0.1.1.running_var",
        "feature_extractor.stage4.1.fuse_layers.0.3.0.weight",
        "feature_extractor.transition3.3.0.0.weight",
        "feature_extractor.ocr_distri_head.object_context_block.f_pixel.1.0.weight",
        "feature_extractor.ocr_distri_head.conv_bn_dropout.1.0.bias",
        "feature_extractor.conv3x3_ocr.0.bias",
        "feature_extractor.aux_head.3.weight",
    ):
        assert key in tensors
