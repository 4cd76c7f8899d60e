"""CDNet against values recorded with the original code, and the sizes of its state dict."""

from __future__ import annotations

import pytest
import torch
from golden import golden_round, golden_tensor, statistics

from isegm.core.registry import build
from isegm.methods.cdnet import CDNet, cdnet
from isegm.nn.weights import load_strictly
from isegm.originals.clickseg import publish, recognise

# mean, standard deviation, minimum, maximum, [10, 10], centre
OUTPUTS = {
    "instances": (-0.0722931, 0.00274848, -0.0745912, -0.054074, -0.0732917, -0.0734251),
    "fdm": (0.464519, 0.0012677, 0.462286, 0.470019, 0.464711, 0.463697),
    "pdm": (0.0311463, 0.950412, -6.71393, 8.27002, -0.0366296, -0.036696),
}
# tensors, parameters, buffer elements below a published prefix
PREFIXES = {
    "": (338, 23_465_815, 20_693),
    "maps_transform.": (5, 48 + 9280 + 1, 0),
    "feature_extractor.backbone.": (216, 21_284_672, 17_060),
    "feature_extractor.head.": (16, 56_480, 514),
    "feature_extractor.skip_project.": (6, 2112, 65),
    "feature_extractor.aspp.": (36, 1_984_000, 1542),
    "feature_extractor.FDM.": (24, 100_353, 771),
    "head.layers.": (16, 14_337, 258),
    "latent_head.layers.": (16, 14_532, 258),
    "PDM.aff_x.kernel": (1, 0, 72),
    "PDM.aff_m.kernel": (1, 0, 72),
    "PDM.aff_std.kernel": (1, 0, 81),
}


@pytest.fixture(scope="module")
def model() -> CDNet:
    """The published network with golden weights, recognised by these. The kernels of PDM are what
    the original makes them.
    """
    made = build(cdnet())
    tensors = publish(cdnet()).keys.to_published(made.state_dict())
    golden = {
        k: v if k.startswith("PDM.") else golden_tensor(k, tuple(v.shape))
        for k, v in tensors.items()
    }
    recognised = recognise({key: tuple(value.shape) for key, value in golden.items()})
    assert build(recognised.spec).state_dict().keys() == made.state_dict().keys()
    load_strictly(made, golden, "golden weights", recognised.keys)
    return made.eval()


@pytest.mark.parametrize("output", OUTPUTS)
@torch.inference_mode()
def test_outputs_equal_the_original_network(model: CDNet, output: str) -> None:
    round_ = golden_round()
    if output == "pdm":
        found = model.infer(round_).logits
    else:
        pred = model(round_)
        found = {"instances": pred.logits, "fdm": pred.aux["gate"]}[output]
    assert statistics(found) == pytest.approx(OUTPUTS[output], rel=1e-4)


def test_parts_have_the_published_size() -> None:
    with torch.device("meta"):
        made = build(cdnet())
    keys = publish(cdnet()).keys
    tensors, parameters = (
        keys.to_published(made.state_dict()),
        keys.to_published(dict(made.named_parameters())),
    )
    for prefix, expected in PREFIXES.items():
        below = {key: value.numel() for key, value in tensors.items() if key.startswith(prefix)}
        trained = sum(count for key, count in below.items() if key in parameters)
        assert (len(below), trained, sum(below.values()) - trained) == expected, prefix
