"""A report of one or more runs as a single web page: tables with intervals, curves with bands,
breakdowns, a gallery. It asks no host for anything; its numbers are computed from result files.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

import isegm
from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import EvalDataset
from isegm.evaluation.comparison import pair
from isegm.evaluation.ledger import PublishedRow
from isegm.evaluation.metrics import METRICS, drops, read
from isegm.evaluation.report import columns_of, distinct, early, lacking, name_of, protocol_notes
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.evaluation.statistics import (
    RESAMPLES,
    Interval,
    curve_band,
    image_count,
    interval,
)
from isegm.evaluation.web_curves import Series, chart
from isegm.evaluation.web_gallery import same_data, shelves

TEMPLATE = Path(__file__).with_name("web_report.html")
COLUMNS = ("NoC@80", "NoC@85", "NoC@90", "NoC@95", "fail@90", "mIoU@1", "mIoU@5", "AUC")
COLUMNS += ("bNoC@80", "mBIoU@1", "mBIoU@5", "harmful@1", "SPC-first", "SPC-later")
DROPS = (0.0, 0.01, 0.05, 0.1)  # IoU lost by a click: the lower bounds of the table's columns
# What objects are sorted by: title, a value of the shape, and where one kind ends (below).
KINDS: tuple[tuple[str, Callable[[Any], float], tuple[tuple[float, str], ...]], ...] = (
    (
        "Size: share of the image",
        lambda shape: shape.area,
        ((0.05, "below 5 %"), (0.2, "5 to 20 %"), (2.0, "20 % and more")),
    ),
    (
        "Thinness",
        lambda shape: shape.thinness,
        ((0.6, "compact, below 0.6"), (0.75, "0.6 to 0.75"), (2.0, "thin, 0.75 and more")),
    ),
    ("Parts", lambda shape: shape.parts, ((2, "1"), (3, "2"), (np.inf, "3 and more"))),
)


@dataclass(frozen=True)
class ReportSettings:
    """What a report shows.

    Attributes:
        title: of the page.
        metric: what breakdowns and gallery are about.
        gallery: objects per row of the gallery, 0 for none.
        published: rows of the ledger to stand below the tables.
        files: the names of the result files, for the page to name.
        datasets: where photographs are from, by name of the data set; sets that are not here are
            shown without, and ``missing`` says why.
        missing: by name of a data set, why there are no photographs of it.
    """

    title: str = "Evaluation report"
    metric: str = "NoC@90"
    gallery: int = 4
    published: Sequence[PublishedRow] = ()
    files: Sequence[str] = ()
    datasets: Mapping[str, EvalDataset] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """A number of a table: as text, with its interval as text, and exact for sorting."""

    text: str
    interval: str = ""
    exact: float | None = None


def page(runs: Sequence[RunResult], settings: ReportSettings | None = None) -> str:
    """The HTML of a report.

    Raises:
        IsegmError: no run, an unknown metric, or a photograph that cannot be read.
    """
    settings = settings or ReportSettings()
    if not runs:
        raise IsegmError("a report needs at least one result file")
    read(settings.metric)
    runs = distinct(runs)
    sections = [_section(runs, *column, settings) for column in columns_of(runs).items()]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        settings=settings,
        version=isegm.__version__,
        resamples=f"{RESAMPLES:,}",
        runs=[_run(run, place, settings) for place, run in enumerate(runs)],
        warnings=[note.lstrip("- ").replace("**", "") for note in protocol_notes(runs)],
        sections=sections,
        about=_about(sections),
    )


def _run(run: RunResult, place: int, settings: ReportSettings) -> dict[str, Any]:
    return {
        "color": place,
        "name": name_of(run),
        "protocol": run.protocol_label,
        "checkpoint": run.checkpoint.get("sha256") or "none",
        "mode": run.checkpoint.get("mode", ""),
        "file": settings.files[place] if place < len(settings.files) else "",
        "environment": run.environment,
        "datasets": [
            {
                "name": d.name,
                "fingerprint": d.fingerprint,
                "objects": len(d.objects),
                "images": image_count(d),
                "max_clicks": d.max_clicks,
                "skipped": d.skipped,
            }
            for d in run.datasets
        ],
    }


def _section(
    runs: Sequence[RunResult],
    title: str,
    results: dict[int, DatasetResult],
    settings: ReportSettings,
) -> dict[str, Any]:
    """All that the page says about one data set."""
    first = next(iter(results.values()))
    dataset = settings.datasets.get(first.name)
    missing = settings.missing.get(first.name, "")
    if dataset is not None and not same_data(first, dataset):
        dataset, missing = None, "the files of this machine are not those of the run"
    limit = f">={first.max_clicks}@90"
    wanted = dict.fromkeys((*COLUMNS[:5], limit, *COLUMNS[5:], settings.metric))
    columns = [m for m in wanted if any(not lacking(r, m) for r in results.values())]
    return {
        "title": title,
        "objects": len(first.objects),
        "images": image_count(first),
        "early": early(results.values()),
        "columns": [(m, _unit(m)) for m in columns],
        "rows": [
            {"run": place, "name": name_of(runs[place]), "cells": [_cell(r, m) for m in columns]}
            for place, r in results.items()
        ],
        "published": _published(first.name, columns, settings.published),
        "curves": _curves(runs, results),
        "pairs": _pairs(runs, results, columns, settings.metric),
        "drops": [_drops(name_of(runs[place]), r) for place, r in results.items()],
        "kinds": _kinds(runs, results, settings.metric),
        "shelves": shelves(runs, results, settings.metric, settings.gallery, dataset)
        if settings.gallery
        else [],
        "missing": missing,
    }


def _cell(result: DatasetResult, metric: str) -> Cell:
    """A metric of a data set. Failures are counts, and their interval is of the share."""
    if lacking(result, metric):
        return Cell("-")
    reading = read(metric)
    value = reading.value(result.objects, result.max_clicks)
    around = ""
    if image_count(result) > 1:
        found = interval(result, metric)
        around = f"{reading.shown(found.low)} to {reading.shown(found.high)}"
        around += " %" if reading.metric.counted else ""
    return Cell(reading.cell(value), around, float(value))


def _unit(metric: str) -> str:
    found = read(metric).metric
    return "objects" if found.counted else found.unit


def _published(
    dataset: str, columns: Sequence[str], rows: Sequence[PublishedRow]
) -> list[dict[str, Any]]:
    shown = []
    for row in rows:
        values = [row.values.get((dataset, metric)) for metric in columns]
        if any(value is not None for value in values):
            cells = [Cell("-") if v is None else Cell(f"{v:.2f}", "", v) for v in values]
            shown.append({"name": row.name, "note": row.note, "source": row.source, "cells": cells})
    return shown


def _curves(runs: Sequence[RunResult], results: dict[int, DatasetResult]) -> list[str]:
    drawn = []
    for reads, unit in (("ious", "mean IoU (%)"), ("bious", "mean boundary IoU (%)")):
        series = []
        for place, result in results.items():
            if not all(len(getattr(o, reads)) for o in result.objects):
                continue
            mean, low, high = _band(result, reads)
            series.append(Series(name_of(runs[place]), mean, low, high, place))
        if series:
            drawn.append(chart(series, unit))
    return drawn


def _band(result: DatasetResult, reads: str) -> tuple[np.ndarray, Any, Any]:
    if image_count(result) > 1:
        return curve_band(result, reads)
    limit = result.max_clicks
    curves = [list(getattr(o, reads)) for o in result.objects]
    return np.mean([(c + [c[-1]] * limit)[:limit] for c in curves], 0), None, None


def _pairs(
    runs: Sequence[RunResult],
    results: dict[int, DatasetResult],
    columns: Sequence[str],
    metric: str,
) -> list[dict[str, Any]]:
    """Every later run against the first, on identical objects."""
    first, *others = sorted(results)
    result, rows = results[first], []
    if image_count(result) < 2:
        return []
    for place in others:
        for name in dict.fromkeys((metric, "NoC@85", "NoC@90", "mIoU@1", "AUC", "mBIoU@5")):
            both = (result, results[place])
            if name not in columns or any(lacking(r, name) for r in both):
                continue
            found = pair((runs[first], runs[place]), both, name, 0)
            change = found.change
            low, high = (found.reading.shown(v, True) for v in (change.low, change.high))
            counts = (found.better, found.worse, found.equal)
            shares = [100 * count / max(1, sum(counts)) for count in counts]
            cell = Cell(found.reading.shown(change.value, True), f"{low} to {high}", change.value)
            rows.append(
                {
                    "run": place,
                    "name": f"{name_of(runs[place])} less {name_of(runs[first])}",
                    "metric": name,
                    "unit": found.reading.metric.unit,
                    "change": cell,
                    "verdict": _verdict(change, found.reading.metric.higher),
                    "shares": [Cell(f"{share:.0f}", "", share) for share in shares],
                    "notes": [note.replace("**", "") for note in found.notes],
                }
            )
    return rows


def _verdict(change: Interval, higher: bool) -> str:
    if change.low <= 0 <= change.high:
        return "open"
    return "better" if (change.value > 0) == higher else "worse"


def _drops(name: str, result: DatasetResult) -> dict[str, Any]:
    """How much IoU later clicks lose: shares of all later clicks, and quantiles of the losses."""
    lost = drops(result.objects)
    later = sum(len(o.ious) - 1 for o in result.objects)
    bounds = [*DROPS, np.inf]
    counts = [
        int(((lost > low) & (lost <= high)).sum()) for low, high in itertools.pairwise(bounds)
    ]
    shares = [Cell(f"{100 * n / later:.1f}", "", n / later) for n in counts] if later else []
    quantiles = [float(np.quantile(lost, q)) for q in (0.5, 0.9, 1)] if len(lost) else []
    return {
        "name": name,
        "later": later,
        "shares": shares or [Cell("-")] * len(DROPS),
        "quantiles": [Cell(f"{100 * q:.1f}", "", q) for q in quantiles] or [Cell("-")] * 3,
    }


def _kinds(
    runs: Sequence[RunResult], results: dict[int, DatasetResult], metric: str
) -> list[dict[str, Any]]:
    """The metric per kind of object; nothing if no file says what its objects are like."""
    tables = []
    shapes = {o.id: o.shape for r in results.values() for o in r.objects if o.shape}
    usable = {place: r for place, r in results.items() if not lacking(r, metric)}
    for title, value, kinds in KINDS if shapes else ():
        rows, start = [], -np.inf
        for end, name in kinds:
            members = {i for i, shape in shapes.items() if start <= value(shape) < end}
            start = end
            if members:
                cells = [_part(result, metric, members) for result in usable.values()]
                rows.append({"name": name, "objects": len(members), "cells": cells})
        names = [(place, name_of(runs[place])) for place in usable]
        tables.append({"title": title, "runs": names, "rows": rows})
    return tables


def _part(result: DatasetResult, metric: str, members: set[str]) -> Cell:
    """The metric over some of the objects, with an interval if they are of two images or more."""
    kept: list[ObjectRecord] = [o for o in result.objects if o.id in members]
    part = DatasetResult(
        result.name, result.fingerprint, tuple(kept), result.thresholds, result.max_clicks
    )
    if lacking(part, metric):
        return Cell("-")
    reading = read(metric)
    if image_count(part) < 2:
        total, count = reading.parts(part.objects, part.max_clicks).sum(0)
        mean = float(total / count)
        return Cell(reading.shown(mean), "", mean)
    found = interval(part, metric)
    around = f"{reading.shown(found.low)} to {reading.shown(found.high)}"
    return Cell(reading.shown(found.value), around, found.value)


def _about(sections: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """What the metrics of the page mean, each kind once."""
    kinds = {}
    for section in sections:
        for name, _ in section["columns"]:
            kind = name.partition("@")[0]
            known = ">=K" if kind.startswith(">=") else kind
            kinds.setdefault(kind, METRICS[known].about)
    return list(kinds.items())
