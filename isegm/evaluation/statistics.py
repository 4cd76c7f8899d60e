"""How sure a number is: bootstrap intervals of metrics, from stored records.

Objects of one photograph (or slices of one volume) are not independent, so whole photographs (or
volumes) are resampled, each with all its objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

from isegm.core.errors import IsegmError, unknown
from isegm.data.medical.organs import ORGANS
from isegm.evaluation.metrics import Curve, clicks_to_reach
from isegm.evaluation.results import DatasetResult

CONFIDENCE = 0.95
RESAMPLES = 9999
SLICE = r"_\d{4}$"  # hippocampus_001_0012: slice 12 of that volume
# What to take off an object's id to get the name of its image, beside "#3" for the third object.
TAILS = {"Berkeley": r"(?<=\d)[a-z]$"} | dict.fromkeys(ORGANS, SLICE)
KINDS: dict[str, Callable[[Curve, int, int], float]] = {
    "NoC": lambda ious, percent, limit: clicks_to_reach(ious, percent / 100) or limit,
    "fail": lambda ious, percent, limit: clicks_to_reach(ious, percent / 100) is None,
    "mIoU": lambda ious, click, limit: ious[min(click, len(ious)) - 1],
}


@dataclass(frozen=True)
class Interval:
    """A mean over objects and the interval around it, in the metric's unit (``fail``, ``mIoU``: 0
    to 1).
    """

    value: float
    low: float
    high: float


def image_of(dataset: str, object_id: str) -> str:
    """The photograph (of medical slices: the volume) that an object of a data set belongs to."""
    name = re.sub(r"#\d+$", "", object_id)
    return re.sub(TAILS[dataset], "", name) if dataset in TAILS else name


def image_count(result: DatasetResult) -> int:
    """How many different photographs (volumes) the objects of a data set are from."""
    return len({image_of(result.name, record.id) for record in result.objects})


def per_object(result: DatasetResult, metric: str) -> np.ndarray:
    """A metric of every object: float64 of shape (N,).

    Args:
        metric: ``NoC@<percent>``, ``fail@<percent>`` (1 where it is never reached) or
            ``mIoU@<click>``.

    Raises:
        IsegmError: another metric.
    """
    kind, _, at = metric.partition("@")
    if kind not in KINDS or not at.isdigit() or int(at) < 1:
        raise unknown("metric", metric, [f"{name}@90" for name in KINDS])
    return np.array(
        [KINDS[kind](ious, int(at), result.max_clicks) for ious in result.curves], float
    )


def readable(result: DatasetResult, metric: str) -> bool:
    """Whether a run went on for long enough: one that stopped at 85 % says nothing of NoC@90."""
    kind, _, at = metric.partition("@")
    return kind == "mIoU" or at in {str(round(100 * t)) for t in result.thresholds}


def interval(result: DatasetResult, metric: str, seed: int = 0) -> Interval:
    """The mean of a metric over all objects with its 95 % percentile bootstrap interval.

    Where every resample has the same mean, e.g. no failure at all, the interval has no width: it
    says nothing about objects unlike those of the data set.

    Raises:
        IsegmError: another metric than those of ``per_object``, or fewer than two images.
    """
    values, images = (
        per_object(result, metric),
        [image_of(result.name, o.id) for o in result.objects],
    )
    names = sorted(set(images))
    if len(names) < 2:
        raise IsegmError(
            f"{result.name} has objects of {len(names)} images; an interval needs at least 2"
        )
    places = np.array([names.index(image) for image in images])
    sums, counts = np.bincount(places, values), np.bincount(places).astype(float)

    def mean(sums: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
        return sums.sum(axis) / counts.sum(axis)

    made = bootstrap(
        (sums, counts),
        mean,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(mean(sums, counts)), float(made.low), float(made.high))
