"""Numbers out of IoU curves: every metric here is computed from stored records, without a
network.

``METRICS`` is the one table of them. Result files, tables, cards, reports and intervals read from
it what a metric is called, how it is computed and how it is printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from isegm.core.errors import IsegmError, unknown

Curve = Sequence[float]
Parts = tuple[float, float]  # what an object adds to the sum, and to the count it is divided by


class Played(Protocol):
    """What a metric reads of an object, see ``results.ObjectRecord``."""

    ious: Curve
    bious: Curve
    seconds: Curve
    undone: Sequence[int]


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


def mean_iou_at(curves: Sequence[Curve], click: int) -> float:
    """Mean IoU after a number of clicks; an object that was stopped earlier keeps its last IoU."""
    return float(np.mean([_at(c, click) for c in curves]))


def area_under(curve: Curve, max_clicks: int) -> float:
    """The area under a curve from click 1 to ``max_clicks`` by trapezoids, over the width: 0 to 1.

    A curve that ends earlier keeps its last value.
    """
    values = [*curve, *[curve[-1]] * (max_clicks - len(curve))][:max_clicks]
    ends = (values[0] + values[-1]) / 2
    return (sum(values) - ends) / (max_clicks - 1) if max_clicks > 1 else values[0]


def steps(o: Played, start: float | None = None) -> np.ndarray:
    """What each click of an object changed of the IoU: (clicks,).

    A click is compared with the last one before it that was not undone, or with ``start``; a click
    with neither is left out.
    """
    changes, before = [], start
    for place, iou in enumerate(o.ious):
        if before is not None:
            changes.append(iou - before)
        if place not in o.undone:
            before = iou
    return np.array(changes, float)


def drops(objects: Sequence[Played]) -> np.ndarray:
    """How much IoU each click lost, clicks that lost none left out: (N,), above 0."""
    changes = np.concatenate([steps(o) for o in objects] or [np.zeros(0)])
    return -changes[changes < 0]


@dataclass(frozen=True)
class Metric:
    """A row of the table: one kind of number, e.g. NoC at any IoU.

    Attributes:
        about: what it says, for people.
        at: what the number behind the @ is: ``"percent"``, ``"click"``, ``"points"``; empty if
            there is none.
        unit: of its mean over objects, as intervals print it.
        parts: (object, the number behind the @, click limit) -> what the object adds to the sum
            and to the count; a metric is sum over count.
        reads: the curve of an object that it is computed from.
        factor, digits: how its mean is printed.
        counted: tables print the sum, e.g. how many objects failed, and intervals the share.
        higher: higher is better.
        whole: means what it says only if no object was stopped early.
    """

    about: str
    at: str
    unit: str
    parts: Callable[[Played, float, int], Parts]
    reads: str = "ious"
    factor: int = 1
    digits: int = 2
    counted: bool = False
    higher: bool = False
    whole: bool = False


def _at(curve: Curve, click: int) -> float:
    return curve[min(click, len(curve)) - 1]


def _harmful(o: Played, points: float) -> Parts:
    changes = steps(o)
    return float((changes < -points / 100).sum()), len(changes)


def _drop(o: Played, at: float, limit: int) -> Parts:
    lost = drops([o])
    return float(lost.sum()), len(lost)


def _noc(curve: Curve, percent: float, limit: int) -> Parts:
    return clicks_to_reach(curve, percent / 100) or limit, 1


PERCENT = {"unit": "%", "factor": 100, "digits": 1}
METRICS: dict[str, Metric] = {
    "NoC": Metric(
        "clicks until the IoU is at least t %; an object that never gets there counts the limit",
        *("percent", "clicks"),
        lambda o, t, limit: _noc(o.ious, t, limit),
    ),
    "fail": Metric(
        "objects that never reach t %: the strict number of failures",
        "percent",
        parts=lambda o, t, limit: (clicks_to_reach(o.ious, t / 100) is None, 1),
        counted=True,
        **PERCENT,
    ),
    ">=K": Metric(
        "objects that count K clicks, the limit: failures, and successes with the very last click;"
        " what papers print as NoF",
        "percent",
        parts=lambda o, t, limit: (_noc(o.ious, t, limit)[0] >= limit, 1),
        counted=True,
        **PERCENT,
    ),
    "mIoU": Metric(
        "IoU after k clicks (k-mIoU)",
        "click",
        parts=lambda o, k, limit: (_at(o.ious, int(k)), 1),
        higher=True,
        whole=True,
        **PERCENT,
    ),
    "AUC": Metric(
        "area under the curve of the mean IoU from click 1 to the limit, by trapezoids, over its"
        " width",
        "",
        parts=lambda o, at, limit: (area_under(o.ious, limit), 1),
        higher=True,
        whole=True,
        **PERCENT,
    ),
    "bNoC": Metric(
        "clicks until the boundary IoU is at least t %, else the limit",
        *("percent", "clicks"),
        lambda o, t, limit: _noc(o.bious, t, limit),
        reads="bious",
    ),
    "mBIoU": Metric(
        "boundary IoU after k clicks",
        "click",
        parts=lambda o, k, limit: (_at(o.bious, int(k)), 1),
        reads="bious",
        higher=True,
        whole=True,
        **PERCENT,
    ),
    "harmful": Metric(
        "share of later clicks (all but the first) after which the IoU is lower by more than p"
        " points",
        "points",
        parts=lambda o, p, limit: _harmful(o, p),
        **PERCENT,
    ),
    "drop": Metric(
        "IoU that a click loses if it loses any", "", parts=_drop, unit="points", factor=100
    ),
    "SPC-first": Metric(
        "seconds of model time for the first click",
        *("", "s"),
        lambda o, at, limit: (o.seconds[0], 1),
        reads="seconds",
        digits=3,
    ),
    "SPC-later": Metric(
        "seconds of model time per later click",
        *("", "s"),
        lambda o, at, limit: (sum(o.seconds[1:]), len(o.seconds) - 1),
        reads="seconds",
        digits=3,
    ),
}
EXAMPLES = {"percent": "@90", "click": "@5", "points": "@1", "": ""}


@dataclass(frozen=True)
class Reading:
    """A metric at one place, e.g. NoC at 90 %; ``read`` makes it from its name.

    Attributes:
        at: the number behind the @, 0 without one.
        limit: of ``>=20@90`` the 20, else None.
    """

    name: str
    metric: Metric
    at: float = 0.0
    limit: int | None = None

    def lacking(self, objects: Sequence[Played], thresholds: Sequence[float], limit: int) -> str:
        """Why these objects do not tell, in words; empty if they do.

        Args:
            thresholds: IoUs that the run can be read at in any case.
        """
        if not objects:
            return "there is no object"
        if self.limit not in (None, limit):
            return f"at most {limit} clicks were made, not {self.limit}"
        if self.metric.at == "click" and self.at > limit:
            return f"at most {limit} clicks were made"
        curves = [getattr(o, self.metric.reads) for o in objects]
        if any(len(curve) == 0 for curve in curves):
            return f"the file holds no {self.metric.reads}; evaluate again"
        listed = self.metric.reads == "ious" and any(
            abs(100 * t - self.at) < 1e-6 for t in thresholds
        )
        if self.metric.at == "percent" and not listed:
            short = [c for c in curves if len(c) < limit]
            if any(clicks_to_reach(c, self.at / 100) is None for c in short):
                return f"objects were stopped before {self.at:g} %; evaluate with --all-clicks"
        return "" if self.parts(objects, limit)[:, 1].any() else "no object has such a click"

    def parts(self, objects: Sequence[Played], limit: int) -> np.ndarray:
        """``N 2`` float64: of every object what it adds to the sum and to the count."""
        return np.array([self.metric.parts(o, self.at, limit) for o in objects], float)

    def value(self, objects: Sequence[Played], limit: int) -> float:
        """The metric of a data set: a mean, or for ``counted`` ones how many objects."""
        total, count = self.parts(objects, limit).sum(0)
        return int(total) if self.metric.counted else float(total / count)

    def shown(self, value: float, signed: bool = False) -> str:
        """A mean or share as text, in ``metric.unit``."""
        sign = "+" if signed else ""
        return f"{self.metric.factor * value:{sign}.{self.metric.digits}f}"

    def of_one(self, value: float) -> str:
        """The metric of one object as text: 3 clicks, "yes" or "no", 87.1 %."""
        if self.metric.counted:
            return "yes" if value else "no"
        return f"{value:.0f}" if self.metric.unit == "clicks" else self.shown(value)

    def cell(self, value: float) -> str:
        """What ``value`` returns as text: a count as a whole number."""
        return str(value) if self.metric.counted else self.shown(value)


def read(name: str) -> Reading:
    """The metric that a name asks for, e.g. ``NoC@90``, ``>=20@90``, ``mIoU@5`` or ``AUC``.

    Raises:
        IsegmError: there is no such metric (the nearest are listed), or its number is missing or
            impossible.
    """
    kind, _, at = name.partition("@")
    at_limit = re.fullmatch(r">=([1-9]\d*)", kind)
    metric = METRICS.get(">=K" if at_limit else kind)
    if metric is None or kind == ">=K":
        raise unknown("metric", name, examples())
    try:
        number = float(at) if metric.at else 0.0
    except ValueError:
        number = -1.0
    good = {
        "percent": 0 < number <= 100,
        "click": number >= 1 and number.is_integer(),
        "points": 0 <= number < 100,
        "": not at,
    }
    if not good[metric.at]:
        raise IsegmError(f"unknown metric {name!r}; expected e.g. {_example(kind, metric)}")
    return Reading(name, metric, number, int(at_limit[1]) if at_limit else None)


def examples() -> list[str]:
    """A name of each metric, as ``read`` takes it."""
    return [_example(kind.replace("K", "20"), metric) for kind, metric in METRICS.items()]


def summarise(
    objects: Sequence[Played], thresholds: Sequence[float], max_clicks: int
) -> dict[str, float]:
    """``{"NoC@85": ..., "fail@85": ..., ">=20@85": ..., "mIoU@1": ...}`` for one data set: what a
    result file lists. Empty without objects.
    """
    percents = [round(100 * t) for t in thresholds]
    clicks = [k for k in (1, 3, 5, 10, max_clicks) if k <= max_clicks]
    names = [f"{kind}@{t}" for t in percents for kind in ("NoC", "fail", f">={max_clicks}")]
    names += [f"mIoU@{k}" for k in clicks] + ["AUC"]
    names += [f"bNoC@{t}" for t in percents] + [f"mBIoU@{k}" for k in clicks]
    names += ["harmful@0", "harmful@1", "drop"]  # times differ from run to run: only on request
    readings = [read(name) for name in dict.fromkeys(names)]
    return {
        reading.name: reading.value(objects, max_clicks)
        for reading in readings
        if not reading.lacking(objects, thresholds, max_clicks)
    }


def _example(kind: str, metric: Metric) -> str:
    return f"{kind}{EXAMPLES[metric.at]}"
