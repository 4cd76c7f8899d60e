"""Settings: every method has only what it can do, and the defaults do as its protocol does."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy as np
import pytest
import torch

import isegm.methods
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.inference.controls import Control
from isegm.inference.protocol import load_protocol
from isegm.inference.session_file import answered
from isegm.inference.settings import Answering
from isegm.inference.views.zoom_in import ZoomIn
from isegm.methods import fcfi
from isegm.methods.base import ClickModel

NAMES = [info.name for info in pkgutil.iter_modules(isegm.methods.__path__)]
METHODS = [
    name for name in NAMES if hasattr(importlib.import_module(f"isegm.methods.{name}"), "tiny")
]
IMAGE = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
CLICKS = (Click(40, 50, True), Click(20, 80, False), Click(60, 60, True))


def tiny(name: str) -> ClickModel:
    torch.manual_seed(0)
    return importlib.import_module(f"isegm.methods.{name}").tiny().eval().requires_grad_(False)


def small(name: str) -> Answering:
    """A method under its protocol, with views that are quick to answer."""
    model = tiny(name)
    protocol = load_protocol(model.protocol)
    smaller = {"size": 64 if isinstance(protocol.view["size"], int) else [64, 64]}
    if protocol.view["rule"] == "zoom_in":
        smaller["min_crop"] = 30
    return Answering(model, protocol.changed(view={**protocol.view, **smaller}))


def prob(answering: Answering, **changes: Any) -> torch.Tensor:
    predictor = answering.predictor(answering.checked(changes))
    return answered(predictor, predictor.start(IMAGE), CLICKS).prob


@pytest.mark.parametrize("name", METHODS)
def test_defaults_do_as_the_protocol_does(name: str) -> None:
    answering = small(name)
    predictor = answering.protocol.predictor(answering.model)
    expected = answered(predictor, predictor.start(IMAGE), CLICKS).prob
    torch.testing.assert_close(prob(answering), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", METHODS)
def test_every_control_can_be_moved(name: str) -> None:
    answering = small(name)
    moved: dict[str, Any] = {}
    for control in answering.controls.values():
        if control.kind == "choice":
            moved[control.name] = control.choices[-1]
        elif control.kind == "toggle":
            moved[control.name] = not control.default
        else:
            moved[control.name] = {"size": 96, "iterations": 2, "max_size": 64}.get(
                control.name, 1 if control.kind == "whole" else control.high
            )
    assert prob(answering, **moved).isfinite().all()


def test_methods_have_what_they_can_do() -> None:
    controls = {name: set(small(name).controls) for name in METHODS}
    assert {"mode", "iterations", "zoom_in", "fixed_crop"} <= controls["ritm"]
    assert "focus" in controls["focalclick"]
    assert "mode" not in controls["focalclick"]
    assert {"window", "adaptive", "click_radius"} <= controls["fcfi"]
    assert not {"window", "adaptive", "click_radius"} & controls["ritm"]
    assert "zoom_in" not in controls["emc_click"]
    assert all("threshold" in found and "sis" in found for found in controls.values())


@pytest.mark.parametrize("changes", [{"window": 0.9}, {"adaptive": True}, {"click_radius": 9}])
def test_what_is_adjusted_leaves_the_shared_network_alone(changes: dict[str, Any]) -> None:
    answering = small("fcfi")
    before = prob(answering)
    assert not torch.equal(prob(answering, **changes), before)
    torch.testing.assert_close(prob(answering), before, rtol=0, atol=0)


@pytest.mark.parametrize("name", METHODS)
def test_controls_come_from_what_model_and_protocol_declare(name: str) -> None:
    answering = small(name)
    declared = {found.name for found in answering.model.adjustable}
    assert declared <= set(answering.controls)
    assert ("mode" in answering.controls) == bool(answering.model.insertion_points)
    assert {control.name for control in answering.protocol.rule.controls()} <= set(
        answering.controls
    )
    assert ("zoom_in" in answering.controls) == (answering.protocol.view["rule"] == "zoom_in")
    assert ("focus" in answering.controls) == ("expansion" in answering.protocol.refine)
    for control in answering.controls.values():
        assert control.checked(control.default) == control.default


def test_a_control_of_a_taken_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Control("threshold", "Object above", "number", 0.5, 0, 1)
    monkeypatch.setattr(ZoomIn, "controls", lambda self: [taken])
    with pytest.raises(IsegmError, match="called threshold: 'Threshold' and 'Object above'"):
        Answering(tiny("ritm"), load_protocol("ritm"))


def test_distance_maps_have_no_disks_to_adjust() -> None:
    described = fcfi.fcfi_hrnet(
        width=8,
        depth="tiny",
        ocr_width=16,
        feedback_width=16,
        click_map="distance",
        click_radius=80,
    )
    assert [found.name for found in build(described).adjustable] == ["window", "adaptive"]


def test_a_window_beyond_the_usual_is_within_its_own_range() -> None:
    model = tiny("fcfi")
    model.feedback.correction.expansion = 1.5
    control = Answering(model, load_protocol(model.protocol)).controls["window"]
    assert (control.low, control.high, control.default) == (0.05, 1.5, 1.5)


@pytest.mark.parametrize(
    "changes",
    [
        {"mod": "NoBRS"},
        {"mode": "fBRS"},
        {"mode": 3},
        {"size": 1.5},
        {"size": 10**9},
        {"size": True},
        {"mirror": "yes"},
        {"sis": 5},
    ],
)
def test_wrong_values_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(IsegmError):
        small("ritm").checked(changes)
