"""How often the 95 % intervals of isegm hold the truth, in simulations where the truth is known.

    python scripts/measure_coverage.py --runs 1000 --images 20,50,100

Simulated runs look like real ones: images hold one to four objects, objects of one image are alike,
and clicks per object are skewed and end at a limit of 20. It takes minutes;
docs/reference/metrics.md has the table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import Formatter, run
from isegm.core.errors import IsegmError
from isegm.evaluation.metrics import read
from isegm.evaluation.results import DatasetResult, ObjectRecord
from isegm.evaluation.statistics import Interval, difference, interval, over_seeds

LIMIT = 20
METRICS = ("NoC@90", "mIoU@1", "fail@90")
RESAMPLES = 999  # of thousands of intervals each; reports draw more
POPULATION = 40_000  # images that the truth is computed from
HARD = 0.8  # makes about 6 % of the objects fail
SPREAD = 0.15  # standard deviation of the luck of trainings

Maker = Callable[[np.random.Generator, int], Interval]


def simulated(
    rng: np.random.Generator, images: int, lucks: Sequence[float] = (0.0,)
) -> list[DatasetResult]:
    """A run per training, all on the same objects.

    An object needs more clicks the harder its image is, the object itself, and the worse the luck
    of the training.
    """
    counts = rng.choice([1, 2, 3, 4], images, p=[0.6, 0.2, 0.1, 0.1])
    hard = np.repeat(0.7 * rng.normal(size=images), counts)
    hard = hard + 0.6 * rng.normal(size=len(hard))
    names = [f"i{i}#{k}" for i, count in enumerate(counts) for k in range(count)]
    made = []
    for luck in lucks:
        score = HARD + hard + luck + 0.4 * rng.normal(size=len(hard))
        first = np.minimum(0.89, 1 / (1 + np.exp(score - 1)))
        needed = np.floor(1 + np.exp(0.6 + score)).astype(int)
        records = [played(*each) for each in zip(names, first.tolist(), needed, strict=True)]
        made.append(DatasetResult("simulated", "0" * 64, tuple(records), (0.9,), LIMIT))
    return made


def played(name: str, first: float, needed: int) -> ObjectRecord:
    """An object with IoU ``first`` until click ``needed``, which reaches 90 % if it is made."""
    ious = (first,) * min(needed - 1, LIMIT) + ((0.9,) if needed <= LIMIT else ())
    return ObjectRecord(name, ((0, 0, 1),) * len(ious), ious, (0.1,) * len(ious))


def truth(metric: str, lucks: Sequence[float] = (0.0,)) -> float:
    """The metric of a very large set, over all of these lucks."""
    rng, reading = np.random.default_rng(2026), read(metric)
    runs = [simulated(rng, POPULATION // len(lucks), [luck])[0] for luck in lucks]
    total, count = np.sum([reading.parts(r.objects, LIMIT).sum(0) for r in runs], 0)
    return float(total / count)


def coverage(make: Maker, expected: float, runs: int) -> float:
    """The share of simulated evaluations whose interval holds the truth."""
    found = [make(np.random.default_rng([7, i]), i) for i in range(runs)]
    return float(np.mean([each.low <= expected <= each.high for each in found]))


def of_mean(metric: str, images: int) -> Maker:
    return lambda rng, i: interval(simulated(rng, images)[0], metric, i, RESAMPLES)


def of_difference(metric: str, images: int) -> Maker:
    """Between two trainings of the same luck: 0 in truth."""

    def make(rng: np.random.Generator, i: int) -> Interval:
        first, second = (result.objects for result in simulated(rng, images, (0.0, 0.0)))
        return difference(first, second, "simulated", read(metric), LIMIT, i, RESAMPLES)

    return make


def of_seeds(metric: str, images: int, seeds: int) -> Maker:
    def make(rng: np.random.Generator, i: int) -> Interval:
        runs = simulated(rng, images, SPREAD * rng.normal(size=seeds))
        return over_seeds(runs, metric, i, RESAMPLES).interval

    return make


def all_lucks() -> np.ndarray:
    """The lucks of very many trainings, as evenly spread quantiles."""
    return SPREAD * norm.ppf((np.arange(50) + 0.5) / 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Formatter)
    parser.add_argument("--runs", type=int, default=1000, help="simulated evaluations per cell")
    parser.add_argument("--images", default="20,50,100", help="comma-separated")
    parser.add_argument("--seeds", type=int, default=5, help="trainings per experiment")
    args = parser.parse_args()
    sizes = [int(size) for size in args.images.split(",") if size.strip().isdigit()]
    if not sizes or min(sizes) < 2 or args.runs < 1 or args.seeds < 2:
        raise IsegmError("expected --images of at least 2, e.g. 20,50; --runs 1, --seeds 2 or more")
    print("| metric | images | mean | paired difference | mean of seeds |")
    print("|---|--:|--:|--:|--:|")
    for metric in METRICS:
        expected, over = truth(metric), truth(metric, all_lucks())
        for size in sizes:
            makers = (of_mean(metric, size), of_difference(metric, size))
            makers += (of_seeds(metric, size, args.seeds),)
            shares = [
                coverage(make, goal, args.runs)
                for make, goal in zip(makers, (expected, 0.0, over), strict=True)
            ]
            cells = " | ".join(f"{100 * share:.1f}" for share in shares)
            print(f"| {metric} | {size} | {cells} |", flush=True)


if __name__ == "__main__":
    raise SystemExit(run(main))
