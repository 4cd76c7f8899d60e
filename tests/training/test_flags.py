"""Flags of isegm train that stand for overrides."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from isegm.cli.train_flags import FLAGS, add_short_flags, given_flags
from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build, spec
from isegm.data.dataset import ClickDataset
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sampling.regions import LargeRegions
from isegm.data.sampling.spaced import Spaced
from isegm.data.sources.synthetic import SyntheticSource
from isegm.methods.fcanet import fcanet
from isegm.methods.fcfi import fcfi_hrnet, fcfi_r101
from isegm.methods.ritm import ritm_hrnet
from isegm.training.experiment import Experiment, Training
from isegm.training.users.iterative import Iterative
from isegm.training.users.replay import Replaying

SCRIPT = Path("models/some/script.py")


def experiment(model: Spec, sampler: Spec | None = None, user: Spec | None = None) -> Experiment:
    clicks = sampler or spec(LargeRegions, sampler=spec(MultiPoint))
    scenes = spec(SyntheticSource, size=(32, 32), length=4)
    return Experiment(
        model=model,
        data=spec(ClickDataset, source=scenes, sampler=clicks),
        val=spec(ClickDataset, source=scenes, sampler=spec(MultiPoint)),
        user=user or spec(Iterative),
        train=Training(),
    ).completed()


def given(line: str, value: Experiment) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_short_flags(parser)
    return given_flags(parser.parse_args(line.split()), value, SCRIPT)


def test_nothing_given_changes_nothing() -> None:
    assert given("", experiment(ritm_hrnet())) == {}


LINE = (
    "--update-num 2 --expansion-ratio 0.5 --mid-ch 16 --max-num-next-clicks 1 --checkpoint-interval"
    " 5 --batch-size 8"
    " --micro-batch 4 --workers 0 --epochs 3 --lr 0.1 --amp bf16 --weights some.pth"
)


def test_every_flag() -> None:
    value = experiment(fcfi_r101())
    found = given(LINE, value)
    assert found == {
        "model.feedback.updates": 2,
        "model.feedback.expansion": 0.5,
        "model.feedback.width": 16,
        "user.max_rounds": 1,
        "train.checkpoint_interval": 5,
        "train.batch_size": 8,
        "train.micro_batch": 4,
        "train.workers": 0,
        "train.epochs": 3,
        "train.optimizer.lr": 0.1,
        "train.amp": "bf16",
        "train.weights": "some.pth",
    }
    assert given(LINE.replace("-", "_").replace("__", "--"), value) == found
    assert len(found) == len(FLAGS)
    assert value.changed(found).train.optimizer["args"]["lr"] == 0.1


def test_the_seed_is_that_of_everything_and_held_out_data_differ() -> None:
    assert given("--seed 7", experiment(ritm_hrnet())) == {
        "train.seed": 7,
        "data.seed": 7,
        "val.seed": 8,
    }


def test_the_first_click_in_the_centre_reaches_samplers_inside_others() -> None:
    value = experiment(ritm_hrnet())
    places = ["data.sampler.sampler.first_click_center", "val.sampler.first_click_center"]
    assert given("--first-click-center", value) == dict.fromkeys(places, True)
    spaced = dataclasses.replace(experiment(ritm_hrnet(), spec(Spaced)), val=None)
    with pytest.raises(IsegmError, match="has no setting first_click_center"):
        given("--first-click-center", spaced)


def test_a_flag_of_another_user_is_refused() -> None:
    value = experiment(ritm_hrnet(), user=spec(Replaying))
    with pytest.raises(IsegmError, match=r"unknown setting of user .*Replaying\) 'max_rounds'"):
        value.changed(given("--max-num-next-clicks 2", value))


def test_the_changes_make_the_network_they_name() -> None:
    small = experiment(fcfi_hrnet(width=8, depth="tiny", ocr_width=16))
    model = build(
        small.changed(given("--update-num 3 --expansion-ratio 0.5 --mid-ch 16", small)).model
    )
    assert model.feedback.collaboration.updates == 3
    assert model.feedback.correction.expansion == 0.5
    assert model.feedback.collaboration.feature_conv.conv.out_channels == 16


@pytest.mark.parametrize(
    "described", [fcfi_r101(), ritm_hrnet(prev_mask=False)], ids=["fcfi", "ritm"]
)
def test_the_previous_mask_becomes_an_input(described: Spec) -> None:
    value = experiment(described)
    changed = value.changed(given("--with-prev-mask", value)).model
    assert changed["args"]["fusion"]["args"]["in_channels"] == 3
    if "feedback" in changed["args"]:
        assert changed["args"]["feedback"]["args"]["coords"] == 3
    else:
        assert changed["args"]["prev_mask"] is True


@pytest.mark.parametrize("line", ["--update-num 2", "--expansion-ratio 0.5", "--mid-ch 32"])
def test_a_network_without_feedback_has_nothing_to_set(line: str) -> None:
    value = experiment(ritm_hrnet())
    with pytest.raises(
        IsegmError, match=rf"{line.split()[0]} sets model\.feedback\..* of {SCRIPT} does not have"
    ):
        given(line, value)
    with pytest.raises(IsegmError, match="has no place for the previous mask"):
        given("--with-prev-mask", experiment(fcanet("resnet")))
