"""Metrics from IoU curves: all are computed from stored records, without a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Curve = Sequence[float]


def mask_iou(mask: np.ndarray, gt: np.ndarray) -> float:
    """IoU of a bool ``H W`` mask with a ground truth in {1, 0, -1}; ignored pixels count in
    neither.

    The IoU of two empty masks is 1.
    """
    object_ = gt == 1
    valid = gt != -1
    union = int(((mask | object_) & valid).sum())
    return int((mask & object_).sum()) / union if union else 1.0


def clicks_to_reach(ious: Curve, target: float) -> int | None:
    """The number of the first click with IoU >= target; None if there is none.

    Compared in float32, in which the reference evaluators store curves: an IoU of 0.89999998
    reaches 0.9.
    """
    reached = np.flatnonzero(np.asarray(ious, np.float32) >= np.float32(target))
    return int(reached[0]) + 1 if len(reached) else None


def noc(curves: Sequence[Curve], target: float, max_clicks: int) -> float:
    """Mean number of clicks to reach ``target``; ``max_clicks`` if it is never reached."""
    return float(np.mean([clicks_to_reach(c, target) or max_clicks for c in curves]))


def failures(curves: Sequence[Curve], target: float) -> int:
    """The number of objects that never reach ``target``."""
    return sum(clicks_to_reach(c, target) is None for c in curves)


def at_the_limit(curves: Sequence[Curve], target: float, max_clicks: int) -> int:
    """The number of objects with ``max_clicks`` clicks: failures, and those that succeed with the
    last click. This is the ">=20@t" column of the papers.
    """
    return sum((clicks_to_reach(c, target) or max_clicks) >= max_clicks for c in curves)


def mean_iou_at(curves: Sequence[Curve], click: int) -> float:
    """Mean IoU after a click; an object that stopped earlier keeps its last IoU."""
    return float(np.mean([c[min(click, len(c)) - 1] for c in curves]))


def summarise(
    curves: Sequence[Curve], thresholds: Sequence[float], max_clicks: int
) -> dict[str, float]:
    """``{"NoC@85": ..., "fail@85": ..., ">=20@85": ..., "mIoU@1": ...}`` for one data set; empty
    without curves.
    """
    if not curves:
        return {}
    table: dict[str, float] = {}
    for threshold in thresholds:
        percent = round(100 * threshold)
        table[f"NoC@{percent}"] = noc(curves, threshold, max_clicks)
        table[f"fail@{percent}"] = failures(curves, threshold)
        table[f">={max_clicks}@{percent}"] = at_the_limit(curves, threshold, max_clicks)
    for click in (1, 3, 5, 10, max_clicks):
        if click <= max_clicks:
            table[f"mIoU@{click}"] = mean_iou_at(curves, click)
    return table
