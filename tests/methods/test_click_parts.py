"""Click maps are parts of a network like any other: every method takes every kind."""

from __future__ import annotations

import pytest
import torch
from golden import golden_round

from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build, spec
from isegm.methods.cdnet import cdnet
from isegm.methods.click_attention import click_attention
from isegm.methods.click_pyramid import click_pyramid
from isegm.methods.clickseg_baseline import clickseg_baseline
from isegm.methods.emc_click import emc_hrnet
from isegm.methods.fbrs import fbrs_hrnet
from isegm.methods.fcanet import fcanet
from isegm.methods.fcfi import fcfi_hrnet
from isegm.methods.focalclick import focalclick_segformer
from isegm.methods.ritm import RITM, click_maps, ritm_hrnet
from isegm.methods.simpleclick import simpleclick
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.distances import Distances
from isegm.nn.clicks.gaussians import Gaussians

HRNET = {"width": 8, "depth": "tiny", "ocr_width": 16}
METHODS = {
    "ritm": lambda **o: ritm_hrnet(**HRNET, **o),
    "fbrs": lambda **o: fbrs_hrnet(**HRNET, **o),
    "fcfi": lambda **o: fcfi_hrnet(**HRNET, feedback_width=16, **o),
    "emc_click": lambda **o: emc_hrnet(**HRNET, refiner_width=16, **o),
    "focalclick": lambda **o: focalclick_segformer("tiny", width=32, **o),
    "click_attention": lambda **o: click_attention("tiny", "paper", width=32, **o),
    "clickseg_baseline": lambda **o: clickseg_baseline(**o),
    "cdnet": lambda **o: cdnet(layers=10, width=32, resnet_width=8, **o),
    "simpleclick": lambda **o: simpleclick("tiny", 64, **o),
    "fcanet": lambda **o: fcanet(depths=(1, 1, 1, 3), width=8, head_width=16, **o),
    "click_pyramid": lambda **o: click_pyramid(
        "lcnet_035", (24, 48, 88), (16, 16, 16), ("blocks.5",), (1, 2, 3), **o
    ),
}
PARTS = [spec(Disks, radius=3), spec(Distances, radius=40), spec(Gaussians, width=12)]


@pytest.mark.parametrize("name", METHODS)
@torch.no_grad()
def test_every_method_takes_every_click_map(name: str) -> None:
    round_, answers = golden_round(64, 80), []
    for part in PARTS:
        described: Spec = METHODS[name](clicks=part)
        assert described["args"]["clicks"] == part
        torch.manual_seed(0)
        model = build(described).eval()
        assert type(model.clicks).__name__ == part["target"].rpartition(":")[2]
        answers.append(model(round_).logits)
    assert all(answer.isfinite().all() for answer in answers)
    assert not torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[1], answers[2])


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(IsegmError, match="did you mean disk"):
        click_maps("disc", 5)


def test_a_network_without_click_maps_in_its_spec_draws_the_published_disks() -> None:
    described = ritm_hrnet(**HRNET)
    del described["args"]["clicks"]
    model = build(described)
    assert isinstance(model, RITM)
    assert (type(model.clicks), model.clicks.radius) == (Disks, 5)
