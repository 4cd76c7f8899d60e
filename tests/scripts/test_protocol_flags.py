"""evaluate_model.py: whatever moves a number stands in the label of the protocol."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from isegm.utils.config import REPOSITORY


@pytest.mark.parametrize(
    ("flags", "label"),
    [
        ("", "ritm v1"),
        ("--target-iou 0.9 --n-clicks 20 --with-flip", "ritm v1"),
        ("--clicks-limit 5", "ritm v1 (clicks_limit=5)"),
        ("--clicks-limit -1 --bf16", "ritm v1 (clicks_limit=max_clicks, bf16)"),
        ("--target-iou 0.5 --no-flip --sis", "ritm v1 (mirror=False, stop_iou=0.8, sis=4)"),
        ("--all-clicks --target-crop-r 1.6", "ritm v1 (zoom.expansion=1.6, stop_iou=1.01)"),
        ("--print-ious", "ritm v1 (stop_iou=1.01)"),
        ("--print-ious --target-iou 0.9", "ritm v1"),
    ],
)
def test_labels(monkeypatch: pytest.MonkeyPatch, flags: str, label: str) -> None:
    described = importlib.util.spec_from_file_location("evaluate_model", REPOSITORY / "scripts" / "evaluate_model.py")
    script = importlib.util.module_from_spec(described)
    monkeypatch.setitem(sys.modules, "evaluate_model", script)  # dataclasses look their module up
    described.loader.exec_module(script)
    monkeypatch.setattr("sys.argv", ["evaluate_model.py", "NoBRS", "--checkpoint", "model.safetensors", *flags.split()])
    assert script.chosen_protocol(script.parse_args(), "ritm").label == label
