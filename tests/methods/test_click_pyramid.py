"""ClickPyramid: what the default network costs, which weights learn slowly, and what it sees."""

from __future__ import annotations

import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from isegm.core.clicks import Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.core.rounds import Round
from isegm.methods.click_pyramid import ClickPyramid, click_pyramid, tiny
from isegm.utils.config import REPOSITORY


@pytest.fixture(scope="module")
def default() -> ClickPyramid:
    torch.manual_seed(0)
    return build(click_pyramid()).eval()


def round_of(size: int) -> Round:
    yx = torch.tensor([[[size / 2, size / 2], [2.0, 3.0]]], dtype=torch.float64)
    clicks = Clicks(yx, torch.tensor([[1, 0]]))
    return Round(torch.rand(1, 3, size, size), clicks, torch.zeros(1, 1, size, size))


@torch.no_grad()
def test_the_default_network_is_small(default: ClickPyramid) -> None:
    assert sum(p.numel() for p in default.parameters()) <= 5_000_000
    with FlopCounterMode(display=False) as counter:
        logits = default(round_of(320)).logits
    assert logits.shape == (1, 1, 320, 320)
    assert 0.1e9 < counter.get_total_flops() <= 1.5e9  # a multiply-add is two


def test_only_pretrained_weights_learn_slowly(default: ClickPyramid) -> None:
    factors = {name: default.lr_multiplier(name) for name, _ in default.named_parameters()}
    slow = {name for name, factor in factors.items() if factor == 0.3}
    fast = {name for name, factor in factors.items() if factor == 1.0}
    assert slow | fast == set(factors)
    stem = "backbone.network.conv_stem"
    assert f"{stem}.image.weight" in slow
    assert {f"{stem}.coords.{i}.weight" for i in (0, 2)} <= fast
    assert all(name.startswith("backbone.network.") for name in slow)
    assert {name for name in fast if name.startswith("backbone.")} == {
        f"{stem}.coords.{i}.{kind}" for i in (0, 2) for kind in ("weight", "bias")
    }
    assert build(click_pyramid(backbone_lr=0.1)).lr_multiplier(f"{stem}.image.weight") == 0.1


@torch.no_grad()
def test_previous_mask_and_clicks_are_seen() -> None:
    torch.manual_seed(0)
    model, shown = tiny().train(), round_of(64)  # fresh batch statistics would let nothing through
    plain = model(shown).logits
    masked = Round(shown.image, shown.clicks, torch.ones(1, 1, 64, 64))
    assert not torch.allclose(model(masked).logits, plain)
    swapped = Round(shown.image, Clicks(shown.clicks.yx, 1 - shown.clicks.label), shown.prev_prob)
    assert not torch.allclose(model(swapped).logits, plain)


def test_parts_that_do_not_fit() -> None:
    with pytest.raises(
        IsegmError, match=r"head.in_channels is .*set head.in_channels=\[24, 40, 112"
    ):
        build(click_pyramid(channels=(24, 40, 112, 320)))


def test_what_the_documentation_says() -> None:
    page = (REPOSITORY / "docs/explanation/methods/click_pyramid.md").read_text()
    (example,) = re.findall(r"^    (click_pyramid\(.+\))$", page, re.MULTILINE)
    model = build(eval(example, {"click_pyramid": click_pyramid}))
    assert model.backbone.name == "resnet18"
    assert f"has {sum(p.numel() for p in build(click_pyramid()).parameters()):,} parameters" in page
