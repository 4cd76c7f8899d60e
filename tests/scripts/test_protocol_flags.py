"""isegm evaluate: whatever moves a number stands in the label of the protocol."""

from __future__ import annotations

import pytest

from isegm.cli.commands import parser_of
from isegm.cli.evaluate import chosen_protocol
from isegm.core.errors import IsegmError
from isegm.inference.protocol import Protocol, load_protocol
from isegm.methods.ritm import tiny


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
def test_labels(flags: str, label: str) -> None:
    assert chosen(flags).label == label


@pytest.mark.parametrize("iou", ["0", "-0.5", "1.5", "85", "nan"])
def test_an_iou_that_is_none_is_refused(iou: str) -> None:
    with pytest.raises(IsegmError, match="expected an IoU above 0 and at most 1"):
        chosen(f"--target-iou={iou}")
    with pytest.raises(IsegmError, match="stop_iou"):
        load_protocol("ritm").changed(stop_iou=float(iou))


@pytest.mark.parametrize(("iou", "stop"), [("1", 1), ("1.01", 1.01), ("0.001", 0.8)])
def test_an_iou_that_is_one(iou: str, stop: float) -> None:
    assert chosen(f"--target-iou={iou}").stop_iou == stop


def chosen(flags: str) -> Protocol:
    words = ["NoBRS", "--checkpoint", "model.safetensors", *flags.split()]
    return chosen_protocol(parser_of("evaluate").parse_args(words), tiny())
