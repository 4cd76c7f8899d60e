"""f-BRS' networks and objectives against values recorded with the original code."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from golden import golden_round, golden_tensor, statistics

from isegm.core.clicks import Clicks
from isegm.core.registry import build
from isegm.core.rounds import Round
from isegm.methods.base import ClickModel
from isegm.methods.fbrs import FBRS, fbrs_deeplab, fbrs_hrnet
from isegm.methods.ritm import ritm_deeplab
from isegm.nn.brs import Objective, click_masks
from isegm.nn.weights import load_strictly
from isegm.originals.fbrs import publish, recognise
from isegm.originals.ritm import publish as publish_ritm
from isegm.originals.ritm import recognise as recognise_ritm

HRNET18, HRNET32, HRNET48 = (
    fbrs_hrnet(18, "full", 64),
    fbrs_hrnet(32, "full", 128),
    fbrs_hrnet(48, "full", 128),
)
R34, R50, R101 = fbrs_deeplab(34, 128), fbrs_deeplab(50, 128), fbrs_deeplab(101, 256)
RITM_R34 = ritm_deeplab(34, 128)
NETWORKS = {"hrnet18": HRNET18, "r34": R34, "r50": R50, "r101": R101, "ritm_r34": RITM_R34}
# mean, standard deviation, minimum, maximum, [10, 10], centre
OUTPUTS = {
    "hrnet18": (1.09624, 0.192065, 0.150699, 1.37449, 0.814471, 1.23055),
    "r34": (-0.0702728, 0.00240347, -0.0718254, -0.0537359, -0.0708115, -0.0709064),
    "r50": (-0.0697106, 0.00228332, -0.0706758, -0.0535097, -0.0705083, -0.0705909),
    "r101": (-0.0254682, 0.00411652, -0.0555728, -0.0210256, -0.0242794, -0.0242189),
    "ritm_r34": (-0.0712265, 0.00266145, -0.0734639, -0.0533518, -0.0718109, -0.0722101),
}
# parameters, buffer elements, keys
SIZES = [
    (HRNET18, (10_022_765, 36_215, 1899)),
    (HRNET32, (30_942_109, 61_451, 1899)),
    (HRNET48, (67_803_613, 88_683, 1899)),
    (R34, (23_341_692, 19_456, 299)),
    (R50, (31_396_604, 55_955, 413)),
    (R101, (58_431_612, 110_534, 719)),
    (RITM_R34, (23_350_930, 19_439, 295)),
]
# tensors, parameters, buffer elements below a published prefix, for ResNet-34, 50 and 101
PREFIXES = {
    "feature_extractor.backbone.": (
        (216, 21_284_672, 17_060),
        (330, 23_631_808, 53_559),
        (636, 42_623_936, 105_834),
    ),
    "feature_extractor.head.": ((16, 56_480, 514), (16, 56_480, 514), (16, 210_976, 1026)),
    "feature_extractor.skip_project.": ((6, 2112, 65), (6, 8256, 65), (6, 8256, 65)),
    "feature_extractor.aspp.": (
        (36, 1_984_000, 1542),
        (36, 7_685_632, 1542),
        (36, 15_535_104, 3078),
    ),
    "head.layers.": ((16, 14_337, 258), (16, 14_337, 258), (16, 53_249, 514)),
    "rgb_conv.": ((9, 91, 17), (9, 91, 17), (9, 91, 17)),
}
# variables, objective and norm of the gradient where they are zero; three clicks, mirrored
OBJECTIVES = [
    ("r34", "f-BRS-A", 1024, 0.501021, 0.00017804),
    ("r34", "f-BRS-B", 320, 0.501021, 0.000877843),
    ("r34", "f-BRS-C", 256, 0.501021, 0.00440442),
    ("r34", "RGB-BRS", 36864, 0.501021, 2.85019e-05),
    ("r34", "DistMap-BRS", 24576, 0.501021, 2.9958e-05),
    ("hrnet18", "f-BRS-A", 540, 0.64111, 0.103049),
    ("hrnet18", "f-BRS-B", 540, 0.64111, 0.103049),
    ("hrnet18", "f-BRS-C", 256, 0.64111, 0.164143),
    ("hrnet18", "RGB-BRS", 36864, 0.64111, 0.0010066),
    ("hrnet18", "DistMap-BRS", 24576, 0.64111, 0.0009435),
]


def layout(described: dict):
    return publish(described) or publish_ritm(described)


@pytest.fixture(scope="module")
def networks() -> dict[str, ClickModel]:
    """Every network of OUTPUTS with golden weights, recognised by these."""
    made = {}
    for name, described in NETWORKS.items():
        model = build(described)
        tensors = layout(described).keys.to_published(model.state_dict())
        golden = {key: golden_tensor(key, tuple(value.shape)) for key, value in tensors.items()}
        shapes = {key: tuple(value.shape) for key, value in golden.items()}
        recognised = (recognise_ritm if name == "ritm_r34" else recognise)(shapes)
        assert recognised.spec["args"]["backbone"] == described["args"]["backbone"]
        assert recognised.spec["args"]["head"] == described["args"]["head"]
        load_strictly(model, golden, "golden weights", recognised.keys)
        made[name] = model.eval()
    return made


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_equal_the_original_network(networks: dict[str, ClickModel], name: str) -> None:
    with torch.inference_mode():
        logits = networks[name](golden_round()).logits
    assert statistics(logits) == pytest.approx(OUTPUTS[name], rel=1e-4)


@pytest.mark.parametrize(("described", "expected"), SIZES)
def test_state_dict_has_the_published_size(described: dict, expected: tuple[int, int, int]) -> None:
    with torch.device("meta"):
        model = build(described)
    parameters = {name for name, _ in model.named_parameters()}
    buffers = sum(
        value.numel() for name, value in model.state_dict().items() if name not in parameters
    )
    tensors = layout(described).keys.to_published(model.state_dict())
    assert (sum(p.numel() for p in model.parameters()), buffers, len(tensors)) == expected


@pytest.mark.parametrize(("column", "described"), list(enumerate([R34, R50, R101])))
def test_parts_have_the_published_size(column: int, described: dict) -> None:
    with torch.device("meta"):
        model = build(described)
    tensors = layout(described).keys.to_published(model.state_dict())
    buffers = {
        key
        for key in tensors
        if key.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")
    }
    for prefix, expected in PREFIXES.items():
        below = {key: value.numel() for key, value in tensors.items() if key.startswith(prefix)}
        counted = sum(count for key, count in below.items() if key in buffers)
        assert (len(below), sum(below.values()) - counted, counted) == expected[column], prefix


def mirrored(round_: Round) -> Round:
    """As the predictor makes it."""
    return dataclasses.replace(
        round_,
        image=torch.cat([round_.image, round_.image.flip(-1)]),
        clicks=Clicks.cat([round_.clicks, round_.clicks.mirror(round_.image.shape[-1])]),
        prev_prob=torch.cat([round_.prev_prob, round_.prev_prob.flip(-1)]),
        mirrored=True,
    )


@pytest.mark.parametrize(("network", "mode", "count", "value", "gradient"), OBJECTIVES)
def test_objectives_equal_the_original(
    networks: dict[str, ClickModel],
    network: str,
    mode: str,
    count: int,
    value: float,
    gradient: float,
) -> None:
    model, round_ = FBRS(networks[network], mode), mirrored(golden_round())
    with torch.no_grad():
        variables, start = model.search(round_)
    objective = Objective(variables, *click_masks(round_), model.settings)
    found, slope = objective(start.numpy())
    assert start.shape == slope.shape == (count,)
    assert found == pytest.approx(value, rel=1e-4)
    # The recorded gradients of the input modes are sums of 1e4 numbers near float32's resolution.
    assert math.sqrt(float(np.square(slope).sum())) == pytest.approx(gradient, rel=1e-4)


@pytest.mark.parametrize(
    ("mode", "evaluations", "mean"),
    [("f-BRS-B", 2, 0.67183), ("f-BRS-C", 8, 0.597231), ("RGB-BRS", 3, 0.747413)],
)
def test_the_search_ends_where_the_original_ended(
    networks: dict[str, ClickModel], mode: str, evaluations: int, mean: float
) -> None:
    pred = FBRS(networks["hrnet18"], mode).infer(mirrored(golden_round()))
    straight, flipped = pred.logits.chunk(2)
    answer = (0.5 * (straight + flipped.flip(-1))).sigmoid()
    assert pred.aux["evaluations"].tolist() == [[evaluations], [evaluations]]
    assert float(answer.mean()) == pytest.approx(
        mean, rel=0.02
    )  # iterates depend on the version of scipy
