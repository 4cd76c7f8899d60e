"""Intervals: known answers, and how often they hold the truth in simulations."""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from isegm.core.errors import IsegmError
from isegm.evaluation.metrics import mean_iou_at, read
from isegm.evaluation.results import DatasetResult, ObjectRecord
from isegm.evaluation.statistics import (
    curve_band,
    difference,
    image_count,
    interval,
    over_seeds,
    per_object,
    seeds_against,
)
from isegm.utils.config import REPOSITORY


def result(
    curves: dict[str, tuple[float, ...]], name: str = "GrabCut", limit: int = 20
) -> DatasetResult:
    records = (
        ObjectRecord(i, ((0.0, 0.0, 1),) * len(c), c, (0.1,) * len(c), c) for i, c in curves.items()
    )
    return DatasetResult(name, "ab" * 32, tuple(records), (0.85, 0.9), limit)


NEVER, AT_ONCE, SLOWLY = (0.5,) * 20, (0.94,), (0.6, 0.7, 0.95)


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    path = REPOSITORY / "scripts/measure_coverage.py"
    described = importlib.util.spec_from_file_location("measure_coverage", path)
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        *itertools.product(("NoC@90", "mIoU@1", "fail@90"), ("mean", "difference")),
        ("NoC@90", "seeds"),  # the slowest: one metric is enough
    ],
)
def test_intervals_hold_the_truth(simulation: ModuleType, metric: str, kind: str) -> None:
    """95 % intervals of clustered, skewed data hold the truth in 92 to 97 % of 400 runs."""
    images, runs = 60, 400
    if kind == "mean":
        share = simulation.coverage(
            simulation.of_mean(metric, images), simulation.truth(metric), runs
        )
    elif kind == "difference":
        share = simulation.coverage(simulation.of_difference(metric, images), 0.0, runs)
    else:
        goal = simulation.truth(metric, simulation.all_lucks())
        share = simulation.coverage(simulation.of_seeds(metric, images, 5), goal, runs)
    assert 0.92 <= share <= 0.97, share


def test_objects_of_one_image_are_no_independent_ones(simulation: ModuleType) -> None:
    """The same objects, each taken for an image of its own, seem surer than they are."""
    (clustered,) = simulation.simulated(np.random.default_rng(3), 80)
    records = tuple(
        ObjectRecord(str(i), o.clicks, o.ious, o.seconds) for i, o in enumerate(clustered.objects)
    )
    apart = DatasetResult("simulated", "0" * 64, records, (0.9,), 20)
    wide, narrow = (interval(r, "mIoU@1") for r in (clustered, apart))
    assert wide.value == narrow.value
    assert wide.high - wide.low > 1.05 * (narrow.high - narrow.low)


def test_without_failures_the_bound_is_the_binomial_one() -> None:
    found = interval(result({str(i): AT_ONCE for i in range(50)}), "fail@90")
    assert (found.value, found.low) == (0, 0)
    assert (1 - found.high) ** 50 == pytest.approx(0.025)
    found = interval(result({str(i): NEVER for i in range(50)}), "fail@90")
    assert (found.value, found.high) == (1, 1)
    assert found.low**50 == pytest.approx(0.025)
    seeds = over_seeds([result({str(i): AT_ONCE for i in range(50)})] * 2, "fail@90").interval
    assert (1 - seeds.high) ** 50 == pytest.approx(0.025)


def test_a_ratio_over_clicks_is_no_mean_of_ratios() -> None:
    """Of four later clicks one is harmful, in an object that has three of the four."""
    data = result({"a": (0.5, 0.4, 0.6, 0.7), "b": (0.5, 0.6)}, limit=4)
    assert interval(data, "harmful@0").value == 1 / 4
    assert list(per_object(data, "harmful@0")) == [1 / 3, 0]
    assert np.isnan(per_object(result({"a": AT_ONCE, "b": NEVER}), "SPC-later")[0])


def test_a_difference_of_two_runs() -> None:
    """Three objects: 1, 3, 20 clicks against 3, 3, 1. Resampling them by hand: the difference of
    means lies between -19 and 2.
    """
    first = result({"a": AT_ONCE, "b": SLOWLY, "c": NEVER}).objects
    second = result({"a": SLOWLY, "b": SLOWLY, "c": AT_ONCE}).objects
    found = difference(first, second, "GrabCut", read("NoC@90"), 20)
    assert found.value == pytest.approx((2 + 0 - 19) / 3)
    assert (found.low, found.high) == pytest.approx((-19, 2))


def test_pairing_finds_what_two_intervals_do_not() -> None:
    """Objects differ a lot from each other, and runs by one click on every object."""
    rng = np.random.default_rng(0)
    needed = rng.integers(1, 15, 40)
    made = [
        result({str(i): (0.5,) * (n - 1 + more) + (0.92,) for i, n in enumerate(needed)})
        for more in (0, 1)
    ]
    alone = [interval(each, "NoC@90") for each in made]
    assert alone[0].high > alone[1].low
    found = difference(made[0].objects, made[1].objects, "GrabCut", read("NoC@90"), 20)
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))


def test_the_mean_over_seeds() -> None:
    runs = [result({"a": AT_ONCE, "b": SLOWLY}), result({"a": SLOWLY, "b": SLOWLY})]
    found = over_seeds(runs, "NoC@90")
    assert found.values == (2, 3)
    assert found.spread == pytest.approx(0.5**0.5)
    assert found.interval.value == 2.5
    assert (found.interval.low, found.interval.high) == (1, 3)  # image a of the first run, twice
    with pytest.raises(IsegmError, match="at least 2 runs"):
        over_seeds(runs[:1], "NoC@90")
    with pytest.raises(IsegmError, match="other objects"):
        over_seeds([runs[0], result({"a": AT_ONCE, "c": SLOWLY})], "NoC@90")


def test_the_mean_over_seeds_against_another_user() -> None:
    """All objects need one click more: sure, however different they are among themselves."""
    curves = {str(i): (0.5,) * i + (0.95,) for i in range(19)}
    before, after = result(curves), result({name: (0.5, *c) for name, c in curves.items()})
    for runs in ([after], [after, after]):
        found = seeds_against([before], runs, "NoC@90")
        assert (found.value, found.low, found.high) == (1, 1, 1)
    found = seeds_against([before], [before, after], "NoC@90")  # only luck differs
    assert (found.value, found.low, found.high) == (0.5, 0, 1)
    slow = result(dict.fromkeys(curves, SLOWLY))
    paired = difference(before.objects, slow.objects, "GrabCut", read("NoC@90"), 20)
    assert seeds_against([before], [slow], "NoC@90") == paired
    with pytest.raises(IsegmError, match="other objects"):
        seeds_against([before], [result({"a": AT_ONCE, "b": NEVER})], "NoC@90")


@pytest.mark.parametrize("reads", ["ious", "bious"])
def test_bands_are_intervals_click_by_click(reads: str) -> None:
    rng = np.random.default_rng(0)
    curves = np.cumsum(rng.uniform(0, 0.045, (30, 20)), 1)
    data = result({str(i): tuple(curve) for i, curve in enumerate(curves)})
    mean, low, high = curve_band(data, reads)
    assert len(mean) == len(low) == len(high) == 20
    for click in (1, 3, 20):
        found = interval(data, f"mIoU@{click}")
        assert mean[click - 1] == pytest.approx(mean_iou_at(data.curves, click))
        assert low[click - 1] == pytest.approx(found.low, abs=0.02)
        assert high[click - 1] == pytest.approx(found.high, abs=0.02)
    assert (low <= mean).all()
    assert (mean <= high).all()


@pytest.mark.parametrize("named", ["by the record", "by the id"])
def test_objects_of_one_photograph_are_drawn_together(named: str) -> None:
    """Three alike objects in each of ten photographs say no more than one of each."""
    curves = {f"2008_{i}_{k}": (0.5,) * (i + 1) + (0.95,) for i in range(10) for k in range(3)}
    whole = result(curves, "PascalVOC" if named == "by the id" else "COCO_seen")
    if named == "by the record":
        objects = [replace(o, picture=o.id.rpartition("_")[0]) for o in whole.objects]
        whole = replace(whole, objects=tuple(objects))
    single = result({f"{i}": (0.5,) * (i + 1) + (0.95,) for i in range(10)})
    assert image_count(whole) == 10
    one, other = interval(whole, "NoC@90"), interval(single, "NoC@90")
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))
