"""Runs against each other on identical objects, and several seeds of one experiment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isegm.core.errors import IsegmError
from isegm.evaluation.metrics import Reading, read
from isegm.evaluation.report import (
    DEFAULT,
    INTERVALS,
    chosen,
    columns_of,
    distinct,
    early,
    lacking,
    name_of,
    notes,
    rendered,
    stopped_notes,
    with_interval,
)
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.evaluation.statistics import Interval, Seeds, difference, over_seeds

SEED = re.compile(r"\bseed=\d+")  # in the label of a protocol: no other protocol, another draw


@dataclass(frozen=True)
class Pair:
    """A metric of two runs on the objects that both have.

    Attributes:
        values: of the first and of the second run, on these objects.
        change: second less first, with its interval.
        better, worse, equal: objects on which the second run is so.
        extremes: (id, first, second) of the objects that differ most, the largest first.
        notes: what a reader must know before believing it.
    """

    dataset: str
    reading: Reading
    objects: int
    values: tuple[float, float]
    change: Interval
    better: int
    worse: int
    equal: int
    extremes: tuple[tuple[str, float, float], ...] = ()
    notes: tuple[str, ...] = ()


def pair(
    runs: tuple[RunResult, RunResult],
    results: tuple[DatasetResult, DatasetResult],
    metric: str,
    extremes: int = 5,
) -> Pair:
    """Compare two runs on one data set, object by object.

    Args:
        results: one of each run, of the same data set.

    Raises:
        IsegmError: other ground truth, another limit of clicks, no or one image in common, or a
            metric that a run cannot be read at.
    """
    first, second = results
    check_comparable(first, second)
    reading, limit = read(metric), first.max_clicks
    for result in results:
        if reason := lacking(result, metric):
            raise IsegmError(f"{result.name} has no {metric}: {reason}")
    a, b = shared_objects(first, second)
    change = difference(a, b, first.name, reading, limit)
    parts = [reading.parts(records, limit) for records in (a, b)]
    values = tuple(float(p[:, 0].sum() / p[:, 1].sum()) for p in parts)
    # Of an object without such a click in one of the runs nothing can be said.
    whole = (parts[0][:, 1] > 0) & (parts[1][:, 1] > 0)
    each = [p[whole, 0] / p[whole, 1] for p in parts]
    gains = (each[1] - each[0]) * (1 if reading.metric.higher else -1)
    names = [record.id for record, kept in zip(a, whole, strict=True) if kept]
    order = [i for i in np.argsort(-np.abs(gains), kind="stable")[:extremes] if gains[i] != 0]
    return Pair(
        first.name,
        reading,
        len(a),
        values,
        change,
        *(int(count) for count in ((gains > 0).sum(), (gains < 0).sum(), (gains == 0).sum())),
        tuple((names[i], float(each[0][i]), float(each[1][i])) for i in order),
        (*_marks(runs, results, len(a)), *_stopped(reading, results)),
    )


def check_comparable(first: DatasetResult, second: DatasetResult) -> None:
    """Raise unless two results can be compared object by object.

    Raises:
        IsegmError: other ground truth, or another limit of clicks.
    """
    if first.fingerprint != second.fingerprint:
        raise IsegmError(
            f"{first.name}: the runs were judged by different ground truths, or on different images"
            f" ({first.fingerprint[:8]} and {second.fingerprint[:8]}); evaluate both on the same"
            " files"
        )
    if first.max_clicks != second.max_clicks:
        raise IsegmError(
            f"{first.name}: one run made at most {first.max_clicks} clicks, the other"
            f" {second.max_clicks}; evaluate both with the same --n-clicks"
        )


def shared_objects(
    first: DatasetResult, second: DatasetResult
) -> tuple[list[ObjectRecord], list[ObjectRecord]]:
    """The objects that both results have, in the order of the first.

    Raises:
        IsegmError: there are none.
    """
    others = {record.id: record for record in second.objects}
    a = [record for record in first.objects if record.id in others]
    if not a:
        raise IsegmError(f"{first.name}: the runs have no object in common; check --limit")
    return a, [others[record.id] for record in a]


def pairs_of(
    runs: Sequence[RunResult], metrics: Sequence[str] | None = None, extremes: int = 5
) -> list[tuple[RunResult, Pair]]:
    """Every other run against the first, on every data set that both have, metric by metric.

    Args:
        metrics: names; by default NoC at 85 and 90 and failures at 90, where both runs have them.

    Raises:
        IsegmError: as ``pair``, fewer than two runs, or two without a data set in common.
    """
    if len(runs) < 2:
        raise IsegmError("a paired comparison needs at least two result files")
    base, made = runs[0], []
    own = {result.name: result for result in base.datasets}
    for run in runs[1:]:
        both = [(own[r.name], r) for r in run.datasets if r.name in own]
        if not both:
            raise IsegmError(f"{name_of(base)} and {name_of(run)} have no data set in common")
        for results in both:
            known = [m for m in DEFAULT if not any(lacking(r, m) for r in results)]
            for metric in metrics or known:
                made.append((run, pair((base, run), results, metric, extremes)))
    return made


def paired_table(
    runs: Sequence[RunResult],
    metrics: Sequence[str] | None = None,
    style: str = "markdown",
    extremes: int = 5,
) -> str:
    """Every other run against the first as text, see ``pairs_of``; a negative difference of NoC
    is fewer clicks.
    """
    runs = distinct(runs)
    base = name_of(runs[0]) if runs else ""
    header = ["model", "data set, metric", base, "model's", "difference", "better", "worse"]
    rows, below = [], [*notes(runs), INTERVALS]
    below.append(f"- difference: less {base}; better, worse: share of objects, in percent")
    for run, found in pairs_of(runs, metrics, extremes):
        reading, title = found.reading, f"{found.dataset} {found.reading.name}"
        values = [reading.shown(value) for value in found.values]
        counted = max(1, found.better + found.worse + found.equal)
        shares = [f"{100 * n / counted:.0f}" for n in (found.better, found.worse)]
        change = with_interval(reading, found.change, signed=True)
        rows.append([name_of(run), title, *values, change, *shares])
        listed = [
            f"{id_} {reading.of_one(a)} -> {reading.of_one(b)}" for id_, a, b in found.extremes
        ]
        if listed:
            below.append(f"- {title}, {name_of(run)}, most different: {', '.join(listed)}")
        below += [f"- {found.dataset}, {name_of(run)}: {note}" for note in found.notes]
    return rendered(header, rows, style, list(dict.fromkeys(below)))


def seed_groups(runs: Sequence[RunResult]) -> dict[tuple[str, str], list[RunResult]]:
    """Runs by model name and protocol, the seed of a simulated user left out of its label.

    Raises:
        IsegmError: a group of one run.
    """
    groups: dict[tuple[str, str], list[RunResult]] = {}
    for run in runs:
        key = name_of(run), SEED.sub("seed=*", run.protocol_label)
        groups.setdefault(key, []).append(run)
    for (name, label), members in groups.items():
        if len(members) < 2:
            raise IsegmError(
                f"{name} under {label} has one run; give every seed of an experiment the same"
                " --model-name when evaluating"
            )
    return groups


def seeds_table(
    runs: Sequence[RunResult], metrics: Sequence[str] | None = None, style: str = "markdown"
) -> str:
    """A row per experiment: mean over its seeds, spread, and the interval over seeds and images.

    Raises:
        IsegmError: as ``seed_groups`` and ``over_seeds``.
    """
    header, rows, below = ["model", "data set, metric", "runs", "mean", "spread", "range"], [], []
    for (name, label), members in seed_groups(runs).items():
        columns = columns_of(members)
        picks = chosen(columns, metrics)
        for column, metric in picks:
            found = seeds_of(list(columns[column].values()), metric, len(members))
            reading = read(metric)
            bounds = [reading.shown(v) for v in (min(found.values), max(found.values))]
            cells = [with_interval(reading, found.interval), reading.shown(found.spread)]
            title = f"{column} {metric}"
            rows.append([name, title, str(len(members)), *cells, " - ".join(bounds)])
        below += [f"- {name}: protocol {label}", *stopped_notes(columns, picks)]
    below += [
        INTERVALS + ", and of seeds",
        "- spread: standard deviation over the runs; range: the smallest and the largest run",
    ]
    return rendered(header, rows, style, list(dict.fromkeys(below)))


def seeds_of(results: Sequence[DatasetResult], metric: str, expected: int) -> Seeds:
    """``over_seeds`` of runs that are of the same data.

    Raises:
        IsegmError: some run has other ground truth, objects or limit of clicks.
    """
    if len(results) < expected:
        raise IsegmError(
            f"{results[0].name}: the seeds differ in ground truth, objects or limit of clicks;"
            " evaluate all in the same way"
        )
    return over_seeds(results, metric)


def _stopped(reading: Reading, results: Sequence[DatasetResult]) -> list[str]:
    """A mark if early stops distort the metric; the first click of every object is made."""
    if not reading.metric.whole or reading.name.endswith("@1") or not early(results):
        return []
    return [f"{reading.name}: objects that were stopped early keep their last IoU"]


def _marks(
    runs: tuple[RunResult, RunResult], results: tuple[DatasetResult, DatasetResult], shared: int
) -> list[str]:
    labels = [run.protocol_label for run in runs]
    marks = []
    if labels[0] != labels[1]:
        marks.append(f"**different protocols** ({'; '.join(labels)}); not a fair comparison")
    left = [len(result.objects) - shared for result in results]
    skipped = [len(result.skipped) for result in results]
    if any(left):
        marks.append(
            f"**other objects**: {shared} are in both runs; left out are {left[0]} of the first and"
            f" {left[1]} of the second run ({skipped[0]} and {skipped[1]} were skipped)"
        )
    return marks
