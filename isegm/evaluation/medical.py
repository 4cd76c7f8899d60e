"""How well a mask agrees with the truth, in the measures of medical imaging, per slice and per
volume.

Conventions:
* Dice and IoU of two empty masks are 1. Any other ratio without a denominator is undefined (NaN),
  and so are distances where either mask is empty. Undefined values are left out of means; the
  number of values stands beside every mean.
* The surface of a mask are its pixels with a face neighbour outside it; beyond the volume is
  outside. Distances are Euclidean, between pixel centres, in millimetres.
* HD95 is the larger of the two directed 95th percentiles (linearly interpolated). The average
  surface distance is the mean of both directions' distances together. Both as in MONAI; MedPy pools
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
    inside, found = int(gt.sum()), int(pred.sum())
    hd95, mean = surface_distances(gt, pred, spacing)
    return Agreement(
        dice=2 * both / (inside + found) if either else 1.0,
        iou=both / either if either else 1.0,
        sensitivity=_ratio(both, inside),
        specificity=_ratio(gt.size - either, gt.size - inside),
        precision=_ratio(both, found),
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
    # Everything the distances depend on lies in the box around both masks, and the box is much
    # smaller than a volume.
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
    """Over the defined values: mean, deviation, and how many there are. NaN without any."""
    values = np.array([getattr(row.agreement, metric) for row in rows], float)
    values = values[~np.isnan(values)]
    return (
        (float(values.mean()), float(values.std()), len(values))
        if len(values)
        else (math.nan, math.nan, 0)
    )


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
        found = [mean_and_deviation(judged, metric) for metric in METRICS]
        lines.append([f"{level}s", "mean", *(_cell(mean) for mean, _, _ in found)])
        lines.append([f"{level}s", "deviation", *(_cell(deviation) for _, deviation, _ in found)])
        lines.append(
            [f"{level}s", "values", *(f"{count} of {len(judged)}" for _, _, count in found)]
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
            found = [mean_and_deviation(judged, metric) for metric in METRICS]
            for i, what in enumerate(("mean", "deviation", "values")):
                writer.writerow([f"{level} {what}", "", "", *(_exact(entry[i]) for entry in found)])


def _surface(mask: np.ndarray) -> np.ndarray:
    return mask & ~ndimage.binary_erosion(mask)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _cell(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _exact(value: float) -> str:
    return "" if math.isnan(value) else repr(value)
