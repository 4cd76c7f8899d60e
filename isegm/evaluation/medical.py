"""Metrics of medical imaging for the agreement of a mask with the truth, per slice and per volume.

Conventions:
* Dice and IoU of two empty masks are 1. Any other ratio with denominator 0 is undefined (NaN), and
  so are distances if either mask is empty. Means leave out undefined values and state the number of
  values.
* The surface of a mask consists of its pixels with a face neighbor outside the mask or the volume.
  Distances are Euclidean, between pixel centres, in millimetres.
* HD95 is the larger of the two directed 95th percentiles (linearly interpolated). The average
  surface distance is the mean over the distances of both directions. Both as in MONAI; MedPy pools
  before the percentile and averages two means.
* The deviation is that of the population (divided by n).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from scipy import ndimage

from isegm.core.errors import IsegmError
from isegm.data.medical.cases import Case
from isegm.evaluation.report import markdown
from isegm.utils.files import replacing

PERCENTILE = 95


@dataclass(frozen=True)
class Agreement:
    """Ratios in [0, 1], distances in millimetres; NaN where undefined."""

    dice: float
    iou: float
    sensitivity: float
    specificity: float
    precision: float
    hd95_mm: float
    surface_distance_mm: float


METRICS = tuple(field.name for field in fields(Agreement))
TITLES = ("Dice", "IoU", "sensitivity", "specificity", "precision", "HD95 (mm)", "ASD (mm)")


@dataclass(frozen=True)
class Row:
    """A judged volume, or one of its slices by index from the feet up."""

    volume: str
    slice: int | None
    agreement: Agreement


def agreement(gt: np.ndarray, pred: np.ndarray, spacing: Sequence[float]) -> Agreement:
    """Compare two masks.

    Args:
        gt, pred: bool, of the same shape and any number of dimensions.
        spacing: millimetres between pixels, for every dimension.

    Raises:
        IsegmError: the shapes differ, or the spacing has another number of dimensions.
    """
    if gt.shape != pred.shape or len(spacing) != gt.ndim:
        raise IsegmError(
            f"truth {gt.shape}, prediction {pred.shape}, spacing for {len(spacing)} dimensions;"
            " expected the same shape and a spacing per dimension"
        )
    gt, pred = gt.astype(bool), pred.astype(bool)
    both, either = int((gt & pred).sum()), int((gt | pred).sum())
    true, predicted = int(gt.sum()), int(pred.sum())
    hd95, mean = surface_distances(gt, pred, spacing)
    return Agreement(
        dice=2 * both / (true + predicted) if either else 1.0,
        iou=both / either if either else 1.0,
        sensitivity=_ratio(both, true),
        specificity=_ratio(gt.size - either, gt.size - true),
        precision=_ratio(both, predicted),
        hd95_mm=hd95,
        surface_distance_mm=mean,
    )


def surface_distances(
    gt: np.ndarray, pred: np.ndarray, spacing: Sequence[float]
) -> tuple[float, float]:
    """95th percentile Hausdorff distance and average symmetric surface distance; NaN if a mask is
    empty.
    """
    if not (gt.any() and pred.any()):
        return math.nan, math.nan
    # The distances depend only on the box around both masks, which is much smaller than a volume.
    box = ndimage.find_objects((gt | pred).astype(np.uint8))[0]
    gt_surface, pred_surface = _surface(gt[box]), _surface(pred[box])
    to_gt = ndimage.distance_transform_edt(~gt_surface, sampling=spacing)[pred_surface]
    to_pred = ndimage.distance_transform_edt(~pred_surface, sampling=spacing)[gt_surface]
    hd95 = max(np.percentile(to_gt, PERCENTILE), np.percentile(to_pred, PERCENTILE))
    return float(hd95), float(np.concatenate([to_gt, to_pred]).mean())


def judge(case: Case) -> list[Row]:
    """A row per slice, and one for the volume if all of it was predicted."""
    rows = [
        Row(case.name, k, agreement(case.gt[k], case.pred[k], case.spacing[1:]))
        for k in case.slices
    ]
    if case.complete:
        rows.append(Row(case.name, None, agreement(case.gt, case.pred, case.spacing)))
    return rows


def mean_and_deviation(rows: Iterable[Row], metric: str) -> tuple[float, float, int]:
    """Mean, deviation and number of the defined values; NaN if there are none."""
    values = np.array([getattr(row.agreement, metric) for row in rows], float)
    values = values[~np.isnan(values)]
    if not len(values):
        return math.nan, math.nan, 0
    return float(values.mean()), float(values.std()), len(values)


def levels(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return {
        "slice": [r for r in rows if r.slice is not None],
        "volume": [r for r in rows if r.slice is None],
    }


def agreement_table(rows: Sequence[Row]) -> str:
    """Markdown: a line per volume, then mean, deviation and number over slices and over volumes."""
    lines = []
    for row in levels(rows)["volume"]:
        lines.append(
            ["volume", row.volume, *(_cell(getattr(row.agreement, metric)) for metric in METRICS)]
        )
    for level, judged in levels(rows).items():
        figures = [mean_and_deviation(judged, metric) for metric in METRICS]
        lines.append([f"{level}s", "mean", *(_cell(mean) for mean, _, _ in figures)])
        lines.append([f"{level}s", "deviation", *(_cell(deviation) for _, deviation, _ in figures)])
        lines.append(
            [f"{level}s", "values", *(f"{count} of {len(judged)}" for _, _, count in figures)]
        )
    return "\n".join(markdown(["over", "", *TITLES], lines))


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Every row, then mean, deviation and number of values of both levels; undefined values are
    empty.
    """
    with replacing(path) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["level", "volume", "slice", *METRICS])
        for row in rows:
            values = [_exact(getattr(row.agreement, metric)) for metric in METRICS]
            level, index = ("volume", "") if row.slice is None else ("slice", row.slice)
            writer.writerow([level, row.volume, index, *values])
        for level, judged in levels(rows).items():
            figures = [mean_and_deviation(judged, metric) for metric in METRICS]
            for i, what in enumerate(("mean", "deviation", "values")):
                writer.writerow(
                    [f"{level} {what}", "", "", *(_exact(entry[i]) for entry in figures)]
                )


def _surface(mask: np.ndarray) -> np.ndarray:
    return mask & ~ndimage.binary_erosion(mask)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _cell(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _exact(value: float) -> str:
    return "" if math.isnan(value) else repr(value)
