"""Measures of medical imaging: known answers, empty masks, and agreement with MONAI."""

import csv
import math
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from isegm.core.errors import IsegmError
from isegm.data.medical.cases import Case
from isegm.data.medical.volumes import read_object
from isegm.evaluation.medical import (
    METRICS,
    agreement,
    agreement_table,
    judge,
    mean_and_deviation,
    write_csv,
)

DATA = Path(os.environ.get("ISEGM_DATA", ""))


def box(*bounds: tuple[int, int], shape: tuple[int, ...] = (12, 14, 16)) -> np.ndarray:
    mask = np.zeros(shape[-len(bounds) :], bool)
    mask[tuple(slice(*b) for b in bounds)] = True
    return mask


def test_a_shifted_square() -> None:
    gt, pred = box((2, 6), (2, 6)), box((2, 6), (3, 7))
    found = agreement(gt, pred, (2.0, 3.0))
    assert found.dice == pytest.approx(2 * 12 / 32)
    assert found.iou == pytest.approx(12 / 20)
    assert found.sensitivity == found.precision == pytest.approx(12 / 16)
    assert found.specificity == pytest.approx((14 * 16 - 20) / (14 * 16 - 16))
    # Of twelve surface pixels on either side, the four of the far edge are one column away; of the
    # two inner ones of the near edge's neighbour column the nearest surface is one row away; all
    # others coincide.
    assert found.hd95_mm == pytest.approx(3)
    assert found.surface_distance_mm == pytest.approx((4 * 3 + 2 * 2) / 12)


def test_empty_masks() -> None:
    full, empty = box((2, 6), (2, 6)), box((0, 0), (0, 0))
    both = agreement(empty, empty, (1, 1))
    assert (both.dice, both.iou, both.specificity) == (1, 1, 1)
    assert all(
        math.isnan(v)
        for v in (both.sensitivity, both.precision, both.hd95_mm, both.surface_distance_mm)
    )
    missed = agreement(full, empty, (1, 1))
    assert (missed.dice, missed.iou, missed.sensitivity, missed.specificity) == (0, 0, 0, 1)
    assert all(
        math.isnan(v) for v in (missed.precision, missed.hd95_mm, missed.surface_distance_mm)
    )
    invented = agreement(empty, full, (1, 1))
    assert (invented.dice, invented.precision) == (0, 0)
    assert math.isnan(invented.sensitivity)
    everything = agreement(~empty, ~empty, (1, 1))
    assert math.isnan(everything.specificity)
    assert everything.hd95_mm == 0


def test_shapes_must_match() -> None:
    with pytest.raises(IsegmError, match="same shape"):
        agreement(box((2, 6), (2, 6)), box((2, 6), (2, 6), (2, 6)), (1, 1))
    with pytest.raises(IsegmError, match="spacing"):
        agreement(box((2, 6), (2, 6)), box((2, 6), (2, 6)), (1, 1, 1))


def by_monai(gt: np.ndarray, pred: np.ndarray, spacing: tuple[float, ...]) -> dict[str, float]:
    import torch

    metrics = pytest.importorskip("monai.metrics")
    a, b = torch.from_numpy(pred)[None, None], torch.from_numpy(gt)[None, None]
    counts = metrics.get_confusion_matrix(a.float(), b.float())[0, 0].double()[None, None]
    found = {
        "dice": metrics.compute_dice(a.double(), b.double()),
        "iou": metrics.compute_iou(a.double(), b.double()),
        "hd95_mm": metrics.compute_hausdorff_distance(
            a, b, include_background=True, percentile=95, spacing=spacing
        ),
        "surface_distance_mm": metrics.compute_average_surface_distance(
            a, b, include_background=True, symmetric=True, spacing=spacing
        ),
    }
    for name in ("sensitivity", "specificity", "precision"):
        found[name] = metrics.compute_confusion_matrix_metric(name, counts)
    return {name: float(value.squeeze()) for name, value in found.items()}


def assert_agrees_with_monai(gt: np.ndarray, pred: np.ndarray, spacing: tuple[float, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = by_monai(gt, pred, spacing)
    found = agreement(gt, pred, spacing)
    for metric in METRICS:
        assert getattr(found, metric) == pytest.approx(expected[metric], rel=1e-6, abs=1e-6), metric


@pytest.mark.parametrize("dimensions", [2, 3])
def test_agrees_with_monai(dimensions: int) -> None:
    rng = np.random.default_rng(dimensions)
    spacing = (2.5, 0.7, 0.9)[-dimensions:]
    for _ in range(6):
        bounds = [
            tuple(sorted(rng.choice(n + 1, 2, replace=False))) for n in (12, 14, 16)[-dimensions:]
        ]
        gt = box(*bounds)
        pred = np.roll(gt, int(rng.integers(0, 4)), int(rng.integers(0, dimensions))) ^ (
            rng.random(gt.shape) < 0.03
        )
        assert_agrees_with_monai(gt, pred, spacing)


CT, MRI = "CT_sample/example_seg.nii.gz", "MSD_Task04_Hippocampus/labelsTr/hippocampus_001.nii.gz"


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "labels"),
    [(CT, (5,)), (CT, (1,)), (CT, (10, 11, 12, 13, 14)), (MRI, (1, 2))],
    ids=["liver", "spleen", "lung", "hippocampus"],
)
def test_agrees_with_monai_on_real_volumes(file: str, labels: tuple[int, ...]) -> None:
    pytest.importorskip("nibabel")
    if not (DATA / file).is_file():
        pytest.skip(f"ISEGM_DATA names no folder with {file}")
    truth = read_object(DATA / file, labels)
    gt, rng = truth.values, np.random.default_rng(0)
    pred = np.roll(gt, (1, 2), (1, 2)) & (rng.random(gt.shape) < 0.9)
    assert_agrees_with_monai(gt, pred, truth.geometry.spacing)
    fullest = int(gt.sum((1, 2)).argmax())
    assert_agrees_with_monai(gt[fullest], pred[fullest], truth.geometry.spacing[1:])


@pytest.fixture
def judged() -> list:
    gt = box((2, 6), (2, 6), (2, 6))
    pred = gt.copy()
    pred[4] = False
    pred[5, 3] = False
    complete = Case("a", gt, pred, (2.0, 1.0, 1.0), (2, 3, 4, 5))
    return judge(complete) + judge(Case("b", gt, gt, (2.0, 1.0, 1.0), (2,), complete=False))


def test_slices_and_volumes(judged: list) -> None:
    assert [(row.volume, row.slice) for row in judged] == [
        ("a", 2),
        ("a", 3),
        ("a", 4),
        ("a", 5),
        ("a", None),
        ("b", 2),
    ]
    assert [row.agreement.dice for row in judged] == pytest.approx(
        [1, 1, 0, 2 * 12 / 28, 2 * 44 / 108, 1]
    )
    dice = [1, 1, 0, 24 / 28, 1]
    slices = [row for row in judged if row.slice is not None]
    assert mean_and_deviation(slices, "dice") == pytest.approx((np.mean(dice), np.std(dice), 5))
    assert mean_and_deviation(slices, "precision")[2] == 4  # undefined where nothing was found
    assert mean_and_deviation([], "dice")[2] == 0


def test_table_and_csv(judged: list, tmp_path: Path) -> None:
    table = agreement_table(judged)
    assert "4 of 5" in table
    assert f"{88 / 108:.4f}" in table
    write_csv(judged, tmp_path / "out" / "a.csv")
    rows = list(csv.DictReader((tmp_path / "out" / "a.csv").open()))
    assert len(rows) == len(judged) + 6
    assert float(rows[3]["dice"]) == judged[3].agreement.dice
    assert (rows[2]["precision"], rows[2]["slice"]) == ("", "4")
    assert [row["level"] for row in rows[6:9]] == ["slice mean", "slice deviation", "slice values"]
    assert (
        float(rows[6]["dice"])
        == mean_and_deviation([r for r in judged if r.slice is not None], "dice")[0]
    )
