"""How much a method depends on who clicks: NoC under several simulated users, and its spread.

All numbers come from result files. Users are compared on the objects that all of them played.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from isegm.core.errors import IsegmError
from isegm.evaluation.report import markdown
from isegm.evaluation.results import DatasetResult, RunResult
from isegm.evaluation.statistics import (
    Interval,
    image_count,
    interval,
    over_seeds,
    per_object,
    seeds_against,
)

VARYING = (1, 3, 5)  # clicks


@dataclass(frozen=True)
class Plays:
    """One user on some data sets.

    Attributes:
        user: what tables call it.
        runs: one per seed; just one for a user without randomness.
    """

    user: str
    runs: tuple[RunResult, ...]


@dataclass(frozen=True)
class UserRow:
    """One user on one data set.

    Attributes:
        noc: mean number of clicks over objects and seeds.
        low, high: its 95 % bootstrap interval, over other images and, with several seeds, other
            seeds (``statistics.over_seeds``). None with fewer than two images.
        between_seeds: standard deviation of the mean over seeds, None with fewer than two.
        against: how much more than the first user's, with its interval on identical objects; None
            for the first user, and with fewer than two images.
        failures: share of objects that never reach the IoU, from 0 to 1.
    """

    user: str
    seeds: int
    noc: float
    low: float | None
    high: float | None
    between_seeds: float | None
    against: Interval | None
    failures: float


@dataclass(frozen=True)
class Robustness:
    """All users on one data set.

    Attributes:
        threshold: the IoU that is clicked for, in percent.
        objects: how many objects all of them played.
        left_out: objects that some user or seed did not play.
        rows: in the order of the users.
        varying: by number of clicks: the share of objects whose NoC, the mean over the seeds of a
            user, differs by more than that between two users, from 0 to 1.
    """

    dataset: str
    threshold: int
    objects: int
    left_out: int
    rows: tuple[UserRow, ...]
    varying: dict[int, float]

    @property
    def lowest(self) -> UserRow:
        return min(self.rows, key=lambda row: row.noc)

    @property
    def highest(self) -> UserRow:
        return max(self.rows, key=lambda row: row.noc)


def robustness(plays: Sequence[Plays], threshold: int = 90) -> list[Robustness]:
    """One summary per data set.

    Args:
        threshold: NoC is the number of clicks to this IoU, in percent.

    Raises:
        IsegmError: runs have other data sets than the first one or other data, or no object was
            played by all users.
    """
    first = plays[0].runs[0]
    return [_on(position, plays, threshold) for position in range(len(first.datasets))]


def _on(position: int, plays: Sequence[Plays], threshold: int) -> Robustness:
    first = plays[0].runs[0].datasets[position]
    played = [[_same(run, position, first) for run in one.runs] for one in plays]
    ids = [{record.id for record in result.objects} for results in played for result in results]
    common = set.intersection(*ids)
    if not common:
        raise IsegmError(f"{first.name}: no object was played by every user")
    kept = [[_only(result, common) for result in results] for results in played]
    rows = [
        _row(one.user, results, threshold, first=kept[0])
        for one, results in zip(plays, kept, strict=True)
    ]
    metric = f"NoC@{threshold}"
    means = [np.mean([per_object(r, metric) for r in results], 0) for results in kept]
    spread = np.max(means, 0) - np.min(means, 0)
    varying = {clicks: float((spread > clicks).mean()) for clicks in VARYING}
    left_out = len(set.union(*ids)) - len(common)
    return Robustness(first.name, threshold, len(common), left_out, tuple(rows), varying)


def _same(run: RunResult, position: int, first: DatasetResult) -> DatasetResult:
    found = run.datasets[position] if position < len(run.datasets) else None
    if found is None or (found.name, found.fingerprint) != (first.name, first.fingerprint):
        raise IsegmError(f"{run.protocol_label} was not played on the same {first.name}")
    return found


def _only(result: DatasetResult, ids: set[str]) -> DatasetResult:
    """The objects with these ids, in the order of their ids."""
    objects = sorted((r for r in result.objects if r.id in ids), key=lambda record: record.id)
    return replace(result, objects=tuple(objects))


def _row(
    user: str,
    results: Sequence[DatasetResult],
    threshold: int,
    first: Sequence[DatasetResult],
) -> UserRow:
    metric = f"NoC@{threshold}"
    means = [float(per_object(r, metric).mean()) for r in results]
    failures = float(np.mean([per_object(r, f"fail@{threshold}").mean() for r in results]))
    between = float(np.std(means, ddof=1)) if len(means) > 1 else None
    low = high = against = None
    if image_count(results[0]) > 1:
        one = len(results) == 1
        found = interval(results[0], metric) if one else over_seeds(results, metric).interval
        low, high = found.low, found.high
        against = None if results is first else seeds_against(first, results, metric)
    noc = float(np.mean(means))
    return UserRow(user, len(results), noc, low, high, between, against, failures)


SPREAD_HEADER = (
    "data set",
    "objects",
    "lowest",
    "highest",
    "range",
    *(f"vary by > {clicks}" for clicks in VARYING),
)


def user_header(found: Sequence[Robustness]) -> tuple[str, ...]:
    """The names of the columns of ``user_rows``."""
    first, threshold = found[0].rows[0].user, found[0].threshold
    noc, failures = f"NoC@{threshold}", f"fail@{threshold}"
    difference = f"more than {first}"
    return ("data set", "user", "seeds", noc, "95 %", "between seeds", difference, failures)


def user_rows(found: Sequence[Robustness]) -> list[list[str]]:
    """The cells under ``user_header``."""
    return [
        [
            one.dataset,
            row.user,
            str(row.seeds),
            f"{row.noc:.2f}",
            "-" if row.low is None else f"[{row.low:.2f}, {row.high:.2f}]",
            "-" if row.between_seeds is None else f"{row.between_seeds:.2f}",
            "-" if row.against is None else _signed(row.against),
            f"{100 * row.failures:.1f} %",
        ]
        for one in found
        for row in one.rows
    ]


def _signed(found: Interval) -> str:
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def spread_rows(found: Sequence[Robustness]) -> list[list[str]]:
    """The cells under ``SPREAD_HEADER``."""
    return [
        [
            one.dataset,
            str(one.objects),
            f"{one.lowest.noc:.2f} ({one.lowest.user})",
            f"{one.highest.noc:.2f} ({one.highest.user})",
            f"{one.highest.noc - one.lowest.noc:.2f}",
            *(f"{100 * share:.1f} %" for share in one.varying.values()),
        ]
        for one in found
    ]


def tables(found: Sequence[Robustness]) -> str:
    """Both tables in Markdown: every user, and the spread over them."""
    threshold = found[0].threshold
    lines = [*markdown(user_header(found), user_rows(found)), ""]
    lines += [*markdown(SPREAD_HEADER, spread_rows(found)), ""]
    lines += [
        f"- {one.dataset}: {one.left_out} objects are left out, not played by every user"
        for one in found
        if one.left_out
    ]
    lines += [
        f"- NoC@{threshold}: mean over objects and seeds",
        "- in brackets: 95 % intervals, by bootstrap over images and seeds; of the difference on"
        " identical objects",
        "- between seeds: standard deviation of the mean",
        f"- fail@{threshold}: share of objects that never reach {threshold} %",
        "- vary by > n: share of objects whose mean count over seeds differs by more than n clicks"
        " between two users",
    ]
    return "\n".join(lines)
