"""Modes that are one pass of the network; those of BRS are tested in tests/methods/test_fbrs.py."""

from __future__ import annotations

from types import ModuleType

import pytest

from isegm.core.errors import IsegmError
from isegm.inference.modes import MODES, PLAIN, with_mode
from isegm.methods import cdnet, clickseg_baseline, emc_click, focalclick, ritm

METHODS = {
    "FocalClick": focalclick,
    "CDNet": cdnet,
    "Baseline": clickseg_baseline,
    "EMC-Click": emc_click,
}


@pytest.mark.parametrize(("mode", "method"), METHODS.items(), ids=METHODS)
def test_what_published_scripts_call_a_method_is_for_it_alone(
    mode: str, method: ModuleType
) -> None:
    model = method.tiny()
    assert with_mode(model, mode, 3) == with_mode(model, "NoBRS", 3) == (model, 3)
    with pytest.raises(
        IsegmError,
        match=f"mode {mode} needs a network of {type(model).__name__}, the checkpoint holds RITM",
    ):
        with_mode(ritm.tiny(), mode)


def test_no_such_mode_is_forgotten_here() -> None:
    assert {"NoBRS", *METHODS} == set(PLAIN)
    assert set(METHODS) < set(MODES)


def test_an_unknown_mode_names_the_nearest() -> None:
    with pytest.raises(IsegmError, match="did you mean CDNet"):
        with_mode(ritm.tiny(), "CDnet")
