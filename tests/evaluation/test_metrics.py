"""Known answers of every metric, from curves and masks small enough to count by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from painted import Listed, Painted, painted

from isegm.core.errors import IsegmError
from isegm.core.samples import Sample
from isegm.evaluation.evaluate import evaluate
from isegm.evaluation.judge import Judge, ObjectShape, band, band_width
from isegm.evaluation.metrics import (
    METRICS,
    area_under,
    drops,
    examples,
    mask_iou,
    read,
    steps,
    summarise,
)
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.inference.protocol import Protocol, load_protocol

THRESHOLDS = (0.8, 0.85, 0.9)


def record(
    ious: tuple[float, ...],
    bious: tuple[float, ...] = (),
    seconds: tuple[float, ...] = (),
    name: str = "a",
) -> ObjectRecord:
    clicks = tuple((i, i, 1) for i in range(len(ious)))
    return ObjectRecord(name, clicks, ious, seconds or (0.5,) * len(ious), bious)


# At most 4 clicks; the second object was stopped at 90 %, the third never gets there.
THREE = [
    record((0.70, 0.86, 0.84, 0.96), (0.30, 0.50, 0.40, 0.80), (1.0, 0.2, 0.4, 0.6)),
    record((0.82, 0.90), (0.60, 0.70), (2.0, 0.3)),
    record((0.50, 0.45, 0.60, 0.55), (0.10, 0.10, 0.20, 0.20), (3.0, 0.1, 0.1, 0.1)),
]
KNOWN = {
    "NoC@80": (2 + 1 + 4) / 3,
    "NoC@85": (2 + 2 + 4) / 3,
    "NoC@90": (4 + 2 + 4) / 3,
    "fail@80": 1,
    "fail@90": 1,
    ">=4@80": 1,
    ">=4@90": 2,  # the failure, and the success with the last click
    "mIoU@1": (0.70 + 0.82 + 0.50) / 3,
    "mIoU@2": (0.86 + 0.90 + 0.45) / 3,
    "mIoU@4": (0.96 + 0.90 + 0.55) / 3,
    # By trapezoids over three steps: ends count half.
    "AUC": (
        (0.35 + 0.86 + 0.84 + 0.48) + (0.41 + 0.90 + 0.90 + 0.45) + (0.25 + 0.45 + 0.60 + 0.275)
    )
    / 9,
    "bNoC@50": (2 + 1 + 4) / 3,
    "mBIoU@1": (0.30 + 0.60 + 0.10) / 3,
    "mBIoU@4": (0.80 + 0.70 + 0.20) / 3,
    # Later clicks: 3 + 1 + 3. They lose 2 points, nothing, 5 and 5 points.
    "harmful@0": 3 / 7,
    "harmful@1": 3 / 7,
    "harmful@3": 2 / 7,
    "harmful@6": 0,
    "drop": (0.02 + 0.05 + 0.05) / 3,
    "SPC-first": (1.0 + 2.0 + 3.0) / 3,
    "SPC-later": (0.2 + 0.4 + 0.6 + 0.3 + 0.1 + 0.1 + 0.1) / 7,
}


@pytest.mark.parametrize("name", KNOWN)
def test_hand_computed_numbers(name: str) -> None:
    assert read(name).lacking(THREE, THRESHOLDS, 4) == ""
    assert read(name).value(THREE, 4) == pytest.approx(KNOWN[name])


def test_every_metric_has_a_known_answer() -> None:
    kinds = {name.partition("@")[0] for name in KNOWN}
    assert {">=K" if kind.startswith(">=") else kind for kind in kinds} == set(METRICS)


def test_the_summary_has_what_can_be_read_and_nothing_else() -> None:
    table = summarise(THREE, THRESHOLDS, 4)
    assert {name: table[name] for name in KNOWN if name in table} == pytest.approx(
        {name: value for name, value in KNOWN.items() if name in table}
    )
    assert {"NoC@80", "fail@90", ">=4@90", "mIoU@3", "mIoU@4", "AUC", "harmful@1"} <= set(table)
    # The second object was stopped: nobody knows when its outline would have been good.
    assert not {"NoC@95", "bNoC@80", "mIoU@5", "SPC-first"} & set(table)
    assert summarise([], THRESHOLDS, 4) == {}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("NoC@95", "stopped before 95 %"),
        ("bNoC@80", "stopped before 80 %"),
        ("mIoU@5", "at most 4 clicks"),
        (">=20@90", "at most 4 clicks were made, not 20"),
    ],
)
def test_what_records_do_not_tell(name: str, reason: str) -> None:
    assert reason in read(name).lacking(THREE, THRESHOLDS, 4)


def test_any_percent_is_read_where_no_stop_is_in_the_way() -> None:
    assert read("NoC@87.5").lacking(THREE, THRESHOLDS, 4) == ""
    assert read("NoC@87.5").value(THREE, 4) == (4 + 2 + 4) / 3
    whole = [replace(o, ious=(0.5, 0.6, 0.7, 0.97)) for o in THREE]
    assert read("NoC@97").lacking(whole, THRESHOLDS, 4) == ""
    assert "no bious" in read("mBIoU@1").lacking([record((0.5,))], THRESHOLDS, 4)
    assert "no object has" in read("SPC-later").lacking([record((0.5,))], THRESHOLDS, 4)


@pytest.mark.parametrize(
    "name", ["Noc@90", "NoC", "NoC@0", "NoC@101", "mIoU@1.5", "mIoU@x", "AUC@3", ">=K@90", "NoC@"]
)
def test_names_that_are_no_metric(name: str) -> None:
    with pytest.raises(IsegmError, match="unknown metric"):
        read(name)


def test_every_example_is_a_metric() -> None:
    assert {read(name).metric.about for name in examples()} == {m.about for m in METRICS.values()}


def test_the_area_of_simple_curves() -> None:
    assert area_under((0.6,), 20) == pytest.approx(0.6)  # stopped at once: flat
    assert area_under((0.0, 0.5, 1.0), 3) == pytest.approx(0.5)
    assert area_under((0.3,), 1) == 0.3


def test_drops_are_listed_click_by_click() -> None:
    assert drops(THREE) == pytest.approx([0.02, 0.05, 0.05])
    assert len(drops([])) == 0


# -- masks ----------------------------------------------------------------------------------------


def slow_band(mask: np.ndarray, width: int) -> np.ndarray:
    """The published rule word for word: erode by 3 x 3, again and again, zeros around."""
    inside = mask.copy()
    for _ in range(width):
        padded = np.pad(inside, 1)
        height, columns = mask.shape
        shifts = [padded[i : i + height, j : j + columns] for i in range(3) for j in range(3)]
        inside = np.logical_and.reduce(shifts)
    return mask & ~inside


def test_the_band_is_two_percent_of_the_diagonal_deep() -> None:
    assert band_width((300, 400)) == 10
    assert band_width((10, 10)) == 1
    assert band_width((480, 640)) == 16


def test_boundary_iou_of_squares_counted_by_hand() -> None:
    """In 30 x 40 pixels the band is one pixel deep: the rim of a square of n has 4 (n - 1)."""
    gt, mask = np.zeros((30, 40), np.int8), np.zeros((30, 40), bool)
    gt[5:15, 5:15] = 1  # rim: 36 pixels
    mask[5:15, 6:16] = True  # one to the right: the rims share 9 + 9 pixels of two edges
    assert Judge(gt).boundary_iou(mask) == 18 / (36 + 36 - 18)
    assert Judge(gt).boundary_iou(gt == 1) == 1
    assert Judge(gt).boundary_iou(np.zeros_like(mask)) == 0
    assert Judge(np.zeros_like(gt)).boundary_iou(np.zeros_like(mask)) == 1


def test_the_image_border_is_an_outline() -> None:
    gt = np.ones((30, 40), np.int8)
    mask = gt == 1
    assert band(mask, 1)[1].sum() == 2 * 30 + 2 * 38
    mask[0] = False  # without its first row: 40 pixels of the rim lost, 38 others gained
    assert Judge(gt).boundary_iou(mask) == (136 - 40) / (136 + 38)


def test_ignored_pixels_are_as_the_mask_says_and_count_nowhere() -> None:
    gt = np.zeros((30, 40), np.int8)
    gt[4:16, 4:16] = -1
    gt[6:14, 6:14] = 1
    for grown in (0, 1, 2):  # the outline may run anywhere in the strip
        mask = np.zeros((30, 40), bool)
        mask[6 - grown : 14 + grown, 6 - grown : 14 + grown] = True
        assert Judge(gt).boundary_iou(mask) == 1
    mask[3:17, 3:17] = True  # beyond it: its rim of 52 pixels is wrong, the truth's rim is ignored
    assert Judge(gt).boundary_iou(mask) == 0


@pytest.mark.parametrize("seed", range(12))
def test_judging_is_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(40, 400, 2))
    gt = np.zeros((height, width), np.int8)
    mask = np.zeros((height, width), bool)
    for target in (gt, mask):
        for _ in range(3):
            top, left = (int(rng.integers(0, n - 10)) for n in (height, width))
            target[top : top + rng.integers(5, height), left : left + rng.integers(5, width)] = 1
    mask ^= rng.random(mask.shape) < 0.01
    if seed % 2:
        gt[rng.random(gt.shape) < 0.02] = -1
    judge, depth = Judge(gt), band_width(gt.shape)
    assert judge.iou(mask) == mask_iou(mask, gt)
    known = gt != -1
    truth = slow_band((gt == 1) | (mask & ~known), depth) & known
    answer = slow_band(mask, depth) & known
    expected = (truth & answer).sum() / (truth | answer).sum()
    assert judge.boundary_iou(mask) == pytest.approx(expected, abs=1e-12)


def test_shapes_of_simple_objects() -> None:
    y, x = np.mgrid[:200, :200]
    disk = ((y - 100) ** 2 + (x - 100) ** 2 < 60**2).astype(np.int8)
    found = Judge(disk).shape()
    assert found.area == pytest.approx(np.pi * 60**2 / 200**2, rel=0.01)
    assert found.thinness < 0.05
    assert found.parts == 1
    square = np.zeros((200, 200), np.int8)
    square[50:150, 50:150] = 1
    assert Judge(square).shape().thinness == pytest.approx(1 - np.pi / 4, abs=0.03)
    wire = np.zeros((200, 200), np.int8)
    wire[100:103, :] = 1
    assert Judge(wire).shape().thinness > 0.95
    wire[10:60, 10:60] = 1
    wire[0, 199] = 1  # a speck is no part
    assert Judge(wire).shape().parts == 2


# -- records --------------------------------------------------------------------------------------

WHOLE = Protocol("test", 1, view={"rule": "whole_image"})


def run(wait: int, count: int, protocol: Protocol = WHOLE) -> DatasetResult:
    samples: list[Sample] = [painted(i) for i in range(count)]
    return evaluate(protocol.predictor(Painted(wait=wait)), Listed(samples), protocol)


def test_the_evaluator_records_outlines_and_shapes() -> None:
    result = run(wait=2, count=3)
    assert all(len(o.bious) == len(o.ious) == 3 for o in result.objects)
    assert [o.bious[-1] for o in result.objects] == [1, 1, 1]
    assert [o.shape for o in result.objects] == [Judge(painted(i).gt).shape() for i in range(3)]


def test_a_run_of_a_hundred_clicks() -> None:
    protocol = WHOLE.changed(max_clicks=100, stop_iou=0.95)
    result = run(wait=60, count=2, protocol=protocol)
    assert result.metrics["NoC@95"] == 61
    assert result.metrics["fail@95"] == result.metrics[">=100@95"] == 0
    never = run(wait=200, count=2, protocol=protocol)
    assert never.metrics["NoC@95"] == 100
    assert never.metrics["fail@95"] == never.metrics[">=100@95"] == 2
    assert {len(o.clicks) for o in never.objects} == {100}


def test_records_keep_them_and_files_of_earlier_versions_stay_readable(tmp_path: Path) -> None:
    new = replace(THREE[0], shape=ObjectShape(0.25, 0.5, 2))
    result = DatasetResult("GrabCut", "ab" * 32, (new, replace(THREE[1], id="b")), THRESHOLDS, 4)
    written = RunResult.of(load_protocol("ritm"), {"path": "m", "sha256": "0"}, [result], "m")
    written.save(tmp_path / "new.json")
    assert RunResult.load(tmp_path / "new.json") == written
    data = json.loads((tmp_path / "new.json").read_text())
    for each in data["datasets"][0]["objects"]:
        del each["bious"]
        each.pop("shape", None)
    (tmp_path / "old.json").write_text(json.dumps(data))
    old = RunResult.load(tmp_path / "old.json").datasets[0]
    assert [o.bious for o in old.objects] == [(), ()]
    assert old.objects[0].shape is None
    assert old.metrics == {
        name: value for name, value in result.metrics.items() if "BIoU" not in name
    }


def test_a_click_is_compared_with_the_last_one_that_was_not_undone() -> None:
    played = replace(record((0.8, 0.3, 0.7, 0.9)), undone=(1,))
    assert steps(played) == pytest.approx([-0.5, -0.1, 0.2])
    assert steps(played, 0.1) == pytest.approx([0.7, -0.5, -0.1, 0.2])
    assert read("harmful@1").parts([played], 20).tolist() == [[2, 3]]
    assert len(steps(replace(played, undone=(0,)))) == 2  # nothing before the second click
