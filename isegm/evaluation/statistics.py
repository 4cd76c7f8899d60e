"""How sure a number is: bootstrap intervals of metrics, of differences and over seeds, from stored
records.

Objects of one photograph (or slices of one volume) are not independent, so whole photographs (or
volumes) are resampled, each with all its objects.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import DegenerateDataWarning, bootstrap

from isegm.core.errors import IsegmError
from isegm.data.medical.organs import ORGANS
from isegm.evaluation.metrics import Reading, read
from isegm.evaluation.results import DatasetResult, ObjectRecord

CONFIDENCE = 0.95
RESAMPLES = 9999
BAND_RESAMPLES = 1999  # for every click of a curve
AT_ONCE = 20_000_000  # resampled values in memory
SLICE = r"_\d{4}$"  # hippocampus_001_0012: slice 12 of that volume
# What to take off an object's id to get the name of its image, beside "#3" for the third object.
PIECE = r"_\d+$"  # the number of an object in its image
TAILS = {"Berkeley": r"(?<=\d)[a-z]$"}
TAILS |= dict.fromkeys(ORGANS, SLICE)
TAILS |= dict.fromkeys(("SBD", "SBD_Train", "PascalVOC", "ssTEM", "OAIZIB"), PIECE)


@dataclass(frozen=True)
class Interval:
    """A mean over objects and the interval around it, in the metric's unit (``fail``, ``mIoU``: 0
    to 1).
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Seeds:
    """A metric of several runs that differ in their seed alone.

    Attributes:
        values: of each run.
        spread: their standard deviation (of a sample: divided by their number less one).
        interval: of their mean, over other seeds and other images.
    """

    values: tuple[float, ...]
    spread: float
    interval: Interval


def picture_of(dataset: str, record: ObjectRecord) -> str:
    """The photograph (of medical slices: the volume) that a record belongs to."""
    return record.picture or image_of(dataset, record.id)


def image_of(dataset: str, object_id: str) -> str:
    """The photograph of an object by its id, where no record names it."""
    name = re.sub(r"#\d+$", "", object_id)
    return re.sub(TAILS[dataset], "", name) if dataset in TAILS else name


def image_count(result: DatasetResult) -> int:
    """How many different photographs (volumes) the objects of a data set are from."""
    return len({picture_of(result.name, record) for record in result.objects})


def reading_of(result: DatasetResult, metric: str) -> Reading:
    """A metric that a data set of a run can be read at.

    Raises:
        IsegmError: there is no such metric, or the records do not tell it; it says why.
    """
    reading = read(metric)
    if reason := reading.lacking(result.objects, result.thresholds, result.max_clicks):
        raise IsegmError(f"{result.name} has no {metric}: {reason}")
    return reading


def readable(result: DatasetResult, metric: str) -> bool:
    """Whether the records tell a metric: a run that stopped at 85 % says nothing of NoC@90."""
    return not read(metric).lacking(result.objects, result.thresholds, result.max_clicks)


def per_object(result: DatasetResult, metric: str) -> np.ndarray:
    """A metric of every object: float64 of shape (N,); NaN of an object without such a click.

    Raises:
        IsegmError: as ``reading_of``.
    """
    totals, counts = reading_of(result, metric).parts(result.objects, result.max_clicks).T
    return np.divide(totals, counts, out=np.full(len(totals), np.nan), where=counts > 0)


def interval(
    result: DatasetResult, metric: str, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """A metric over all objects with its 95 % bootstrap interval (BCa).

    A bootstrap knows only what it has seen: without a single failure it would be sure that there
    never is one. Then, and where everything fails, the exact binomial bound of as many independent
    images takes its place.

    Raises:
        IsegmError: as ``reading_of``, or fewer than two images.
    """
    reading = reading_of(result, metric)
    parts = reading.parts(result.objects, result.max_clicks)
    sums = _by_image(result.name, result.objects, parts)
    total, count = parts.sum(0)
    value = float(total / count)
    if reading.metric.counted and value in (0, 1):
        return _all_alike(value, len(sums[0]))
    low, high = _bootstrap(sums, _ratio, seed, resamples)
    return Interval(value, float(low), float(high))


def curve_band(
    result: DatasetResult, reads: str = "ious", seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean curve of a data set and its pointwise 95 % band: three arrays (clicks,), 0 to 1.

    An object that was stopped early keeps its last value.

    Args:
        reads: ``"ious"`` or ``"bious"``.

    Raises:
        IsegmError: fewer than two images.
    """
    limit = result.max_clicks
    curves = [list(getattr(o, reads)) for o in result.objects]
    full = np.array([(c + [c[-1]] * (limit - len(c)))[:limit] for c in curves])
    sums = _by_image(result.name, result.objects, np.c_[full, np.ones(len(full))])
    data = [*sums[:-1], sums[-1]]

    def means(*resampled: np.ndarray, axis: int = -1) -> np.ndarray:
        counts = resampled[-1].sum(axis)
        return np.stack([part.sum(axis) / counts for part in resampled[:-1]])

    low, high = _bootstrap(data, means, seed, BAND_RESAMPLES)
    return full.mean(0), low, high


def over_seeds(
    results: Sequence[DatasetResult], metric: str, seed: int = 0, resamples: int = RESAMPLES
) -> Seeds:
    """A metric of runs on identical objects that differ only in their seed.

    Runs and images are resampled independently of each other. Of n runs n - 1 are drawn, which
    keeps the variance between a few runs from being underestimated; docs/reference/metrics.md has
    the coverage.

    Raises:
        IsegmError: as ``interval``, fewer than two runs, or runs of other objects.
    """
    if len(results) < 2:
        raise IsegmError(f"{results[0].name}: seeds need at least 2 runs, here is 1")
    _check_identical(results)
    parts = [reading_of(r, metric).parts(r.objects, r.max_clicks) for r in results]
    images = [_by_image(r.name, r.objects, p) for r, p in zip(results, parts, strict=True)]
    totals, counts = (np.array([each[i] for each in images]) for i in range(2))  # runs, images
    values = [float(p[:, 0].sum() / p[:, 1].sum()) for p in parts]
    mean = _over_runs(totals, counts, seed, resamples)
    if read(metric).metric.counted and mean.value in (0, 1):
        mean = _all_alike(mean.value, totals.shape[1])
    return Seeds(tuple(values), float(np.std(values, ddof=1)), mean)


def seeds_against(
    first: Sequence[DatasetResult],
    second: Sequence[DatasetResult],
    metric: str,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """How far the mean of a metric over the runs of ``second`` lies above that of ``first``, on
    identical objects, with its interval. Every object needs a value, as it has of NoC or an IoU.

    Images are resampled, and the runs of ``second`` if there are several, as in ``over_seeds``;
    those of ``first`` only count with their mean.

    Raises:
        IsegmError: as ``interval``, or runs of other objects.
    """
    _check_identical([*first, *second])
    before = np.mean([per_object(r, metric) for r in first], 0)
    rows = [np.c_[per_object(r, metric) - before, np.ones(len(before))] for r in second]
    images = [_by_image(r.name, r.objects, p) for r, p in zip(second, rows, strict=True)]
    totals, counts = (np.array([each[i] for each in images]) for i in range(2))
    if len(second) > 1:
        return _over_runs(totals, counts, seed, resamples)
    low, high = _bootstrap([totals[0], counts[0]], _ratio, seed, resamples, "percentile")
    return Interval(float(totals.sum() / counts.sum()), float(low), float(high))


def _check_identical(results: Sequence[DatasetResult]) -> None:
    ids = [o.id for o in results[0].objects]
    if any([o.id for o in r.objects] != ids for r in results):
        raise IsegmError(f"{results[0].name}: the runs are of other objects; evaluate all of them")


def _over_runs(totals: np.ndarray, counts: np.ndarray, seed: int, resamples: int) -> Interval:
    """Sums and counts of the images of every run, (runs, images): their ratio, with its interval
    over other runs and other images.
    """
    rng = np.random.default_rng(seed)
    runs, size = totals.shape
    by_run = rng.multinomial(runs - 1, [1 / runs] * runs, resamples)
    by_image = rng.multinomial(size, [1 / size] * size, resamples)
    sums, weights = (
        np.einsum("ri,ri->r", by_run @ values, by_image) for values in (totals, counts)
    )
    means = sums[weights > 0] / weights[weights > 0]
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(totals.sum() / counts.sum()), float(low), float(high))


def difference(
    first: Sequence[ObjectRecord],
    second: Sequence[ObjectRecord],
    dataset: str,
    reading: Reading,
    limit: int,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Second less first of a metric, with its interval; object i of both is the same one.

    Raises:
        IsegmError: fewer than two images.
    """
    parts = [reading.parts(records, limit) for records in (first, second)]
    data = [column for p in parts for column in _by_image(dataset, first, p)]

    def change(ta: np.ndarray, ca: np.ndarray, tb: np.ndarray, cb: np.ndarray, axis: int = -1):
        return _ratio(tb, cb, axis) - _ratio(ta, ca, axis)

    # Differences are about symmetric: BCa's correction would only add noise, and covers less.
    low, high = _bootstrap(data, change, seed, resamples, "percentile")
    before, after = (p[:, 0].sum() / p[:, 1].sum() for p in parts)
    return Interval(float(after - before), float(low), float(high))


def _all_alike(value: float, images: int) -> Interval:
    """The exact binomial interval of a share that is 0 or 1 in all of ``images`` draws."""
    unseen = 1 - ((1 - CONFIDENCE) / 2) ** (1 / images)
    return Interval(value, max(0.0, value - unseen), min(1.0, value + unseen))


def _ratio(totals: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return totals.sum(axis) / counts.sum(axis)


def _by_image(dataset: str, records: Sequence[ObjectRecord], parts: np.ndarray) -> list[np.ndarray]:
    """The columns of ``parts``, summed over the objects of every image."""
    images = [picture_of(dataset, record) for record in records]
    places = {image: place for place, image in enumerate(sorted(set(images)))}
    if len(places) < 2:
        raise IsegmError(
            f"{dataset} has objects of {len(places)} images; an interval needs at least 2"
        )
    index = np.array([places[image] for image in images])
    return [np.bincount(index, column, len(places)) for column in parts.T]


def _bootstrap(
    data: Sequence[np.ndarray],
    statistic: Callable[..., np.ndarray],
    seed: int,
    resamples: int,
    method: str = "BCa",
) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of the interval. Where BCa's does not exist, e.g. because all values are alike,
    they are those of the percentile interval. Resamples without any count are left out.
    """
    values = len(data) * len(data[0])
    batch = None if values * resamples <= AT_ONCE else max(1, AT_ONCE // values)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", DegenerateDataWarning)
        made = bootstrap(
            tuple(data),
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=resamples,
            batch=batch,
            confidence_level=CONFIDENCE,
            method=method,
            random_state=np.random.default_rng(seed),
        )
        tail = (1 - CONFIDENCE) / 2
        plain = np.nanquantile(made.bootstrap_distribution, [tail, 1 - tail], axis=-1)
    found = made.confidence_interval.low, made.confidence_interval.high
    exists = np.isfinite(found[0]) & np.isfinite(found[1])
    return tuple(np.where(exists, bound, low) for bound, low in zip(found, plain, strict=True))
