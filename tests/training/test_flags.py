"""Flags of isegm train that stand for overrides."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from isegm.cli.train_flags import FLAGS, add_short_flags, given_flags
from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build
from isegm.methods.fcfi import fcfi_hrnet, fcfi_r101
from isegm.methods.ritm import ritm_hrnet
from isegm.utils.overrides import override_spec

SCRIPT = Path("models/some/script.py")


def given(line: str, model: Spec | None) -> dict[str, dict[str, Any]]:
    parser = argparse.ArgumentParser()
    add_short_flags(parser)
    return given_flags(parser.parse_args(line.split()), model, SCRIPT)


def test_nothing_given_changes_nothing() -> None:
    assert given("", ritm_hrnet()) == given("", None) == {}


def test_every_flag() -> None:
    line = (
        "--update-num 2 --expansion-ratio 0.5 --mid-ch 16 --max-num-next-clicks 1 --checkpoint-interval 5 --first-click-center"
    )
    found = given(line, fcfi_r101())
    assert found == {
        "model": {"feedback.updates": 2, "feedback.expansion": 0.5, "feedback.width": 16},
        "clicks": {"max_rounds": 1},
        "train": {"checkpoint_interval": 5},
        "data": {"first_click_center": True},
    }
    assert given(line.replace("-", "_").replace("__", "--"), fcfi_r101()) == found
    assert sum(map(len, found.values())) == len(FLAGS)


def test_the_changes_make_the_network_they_name() -> None:
    small = fcfi_hrnet(width=8, depth="tiny", ocr_width=16)
    model = build(override_spec(small, given("--update-num 3 --expansion-ratio 0.5 --mid-ch 16", small)["model"]))
    assert model.feedback.collaboration.updates == 3
    assert model.feedback.correction.expansion == 0.5
    assert model.feedback.collaboration.feature_conv.conv.out_channels == 16


@pytest.mark.parametrize("described", [fcfi_r101(), ritm_hrnet(prev_mask=False)], ids=["fcfi", "ritm"])
def test_the_previous_mask_becomes_an_input(described: Spec) -> None:
    changed = override_spec(described, given("--with-prev-mask", described)["model"])
    assert changed["args"]["fusion"]["args"]["in_channels"] == 3
    if "feedback" in changed["args"]:
        assert changed["args"]["feedback"]["args"]["coords"] == 3
    else:
        assert changed["args"]["prev_mask"] is True


@pytest.mark.parametrize("line", ["--update-num 2", "--expansion-ratio 0.5", "--mid-ch 32"])
def test_a_network_without_feedback_has_nothing_to_set(line: str) -> None:
    for model in (ritm_hrnet(), None):
        with pytest.raises(IsegmError, match=rf"{line.split()[0]} sets model\.feedback\..* of {SCRIPT} does not have"):
            given(line, model)
    with pytest.raises(IsegmError, match="cannot take the previous mask"):
        given("--with-prev-mask", None)
