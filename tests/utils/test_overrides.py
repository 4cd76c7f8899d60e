"""``--set path=value`` on specs, lists and frozen dataclasses."""

from __future__ import annotations

from typing import Any

import pytest

from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build, spec
from isegm.methods.ritm import ritm_hrnet, with_loss
from isegm.methods.simpleclick import simpleclick
from isegm.nn.losses.focal import FocalLoss
from isegm.utils.overrides import changed, differences, parse_overrides


def overridden(described: Spec, changes: dict[str, Any]) -> Spec:
    for path, value in changes.items():
        described = changed(described, path, value, where="model")
    return described


def test_arguments_that_the_spec_gives_and_those_it_leaves_to_their_defaults() -> None:
    described = simpleclick("tiny", 64)
    assert "layer_decay" not in described["args"]
    made = build(
        overridden(described, {"layer_decay": 0.75, "head.dropout": 0.2, "backbone.depth": 12})
    )
    assert (made.layer_decay, made.head.dropout.p, len(made.backbone.blocks)) == (0.75, 0.2, 12)
    assert "layer_decay" not in described["args"]


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("layer_deca", "'layer_deca'; did you mean layer_decay"),
        ("head.dropot", "'dropot'; did you mean dropout"),
        ("heed.dropout", "'heed'; did you mean head"),
        ("dropout.p", "'dropout'; known"),
        ("window", "did you mean model.backbone.window"),
        ("layer_decay.more", "there is nothing inside it"),
    ],
)
def test_unknown_ones_name_the_nearest(key: str, nearest: str) -> None:
    with pytest.raises(IsegmError, match=nearest):
        overridden(simpleclick("tiny", 64), {key: 1})


def test_arguments_that_are_handed_on_must_be_in_the_spec() -> None:
    described = with_loss(ritm_hrnet(width=8, depth="tiny", ocr_width=16), spec(FocalLoss))
    assert (
        build(overridden(described, {"loss.gamma": 3.0, "prev_mask": True})).instance_loss.gamma
        == 3
    )
    with pytest.raises(IsegmError, match="'ritm'"):
        overridden(described, {"ritm": 1})


@pytest.mark.parametrize("value", [4, "wide", True, None, [1, 2]])
def test_a_value_of_another_type_is_refused(value: Any) -> None:
    described = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
    path = "backbone" if not isinstance(value, str) else "backbone.width"
    with pytest.raises(IsegmError, match=rf"--set model.{path}=.*: expected"):
        overridden(described, {path: value})


def test_whole_numbers_become_fractions_where_these_are_expected() -> None:
    described = spec(FocalLoss, gamma=2.0)
    value = changed(described, "gamma", 3)["args"]["gamma"]
    assert isinstance(value, float)


def test_assignments_are_read_as_yaml() -> None:
    words = [
        "train.optimizer.lr=1e-4",
        "data.crop=[3,4]",
        "val=null",
        "train.amp=off",
        "user={target: a:b, args: {c: 1}}",
    ]
    assert parse_overrides(words) == {
        "train.optimizer.lr": 1e-4,
        "data.crop": [3, 4],
        "val": None,
        "train.amp": "off",
        "user": {"target": "a:b", "args": {"c": 1}},
    }
    with pytest.raises(IsegmError, match=r"expected section\.key=value"):
        parse_overrides(["train.epochs"])


def test_differences_name_every_leaf() -> None:
    before = {"a": spec(FocalLoss, gamma=2.0), "b": [1, 2], "c": None}
    now = {"a": spec(FocalLoss, gamma=3.0, alpha=0.5), "b": [2, 1], "c": False}
    assert differences(before, now) == [
        ("a.gamma", 2.0, 3.0),
        ("b", [1, 2], [2, 1]),
        ("c", None, False),
        ("a.alpha", "absent", 0.5),
    ]
