"""Tables and curves from result files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from isegm.core.errors import IsegmError, unknown
from isegm.evaluation.ledger import PublishedRow
from isegm.evaluation.metrics import Reading, mean_iou_at, read
from isegm.evaluation.results import DatasetResult, RunResult
from isegm.evaluation.statistics import RESAMPLES, Interval, image_count, interval

matplotlib.use("Agg")

FORMATS = ("markdown", "csv", "latex")
DEFAULT = ("NoC@85", "NoC@90", "fail@90")
INTERVALS = (
    f"- In brackets: 95 % intervals of {RESAMPLES:,} bootstrap resamples of whole images; failures,"
    " IoU and areas in percent"
)


def table(
    runs: Sequence[RunResult],
    metrics: Sequence[str] | None = None,
    style: str = "markdown",
    published: Sequence[PublishedRow] = (),
    intervals: bool = False,
) -> str:
    """One row per run, one column per data set and metric.

    Data sets with the same name but another fingerprint, count or number of clicks get separate
    columns, and every row states its protocol. Notes below a Markdown table give protocol,
    checkpoint hash, fingerprint and sample count.

    Args:
        metrics: names as ``metrics.read`` takes them; by default NoC at 85 and 90 and the failures
            at 90, where a run has them.
        style: one of ``FORMATS``.
        published: rows to add below for the data sets and metrics that the runs have, with their
            source in place of a protocol; those with none of them are left out.
        intervals: print means (of failures: shares) with their 95 % bootstrap intervals, which
            take two images or more.

    Raises:
        IsegmError: an unknown style or metric, or a metric that no run has.
    """
    columns = columns_of(runs)
    picks = chosen(columns, metrics)
    header = ["model", "protocol"]
    header += [f"{column} {metric}" for column, metric in picks]
    rows = []
    for i, run in enumerate(runs):
        results = [(columns[column].get(i), metric) for column, metric in picks]
        cells = [cell_of(result, metric, intervals) for result, metric in results]
        rows.append([name_of(run), run.protocol_label, *cells])
    keys = [(next(iter(columns[column].values())).name, metric) for column, metric in picks]
    shown = [row for row in published if any(key in row.values for key in keys)]
    for row in shown:
        values = [row.values.get(key) for key in keys]
        rows.append(
            [row.name, row.source, *("-" if value is None else f"{value:.2f}" for value in values)]
        )
    below = [*notes(runs), *protocol_notes(runs), *stopped_notes(columns, picks)]
    below += [INTERVALS] if intervals else []
    return rendered(header, rows, style, [*below, *published_notes(shown)])


def rendered(
    header: Sequence[str], rows: Sequence[Sequence[str]], style: str, below: Sequence[str] = ()
) -> str:
    """A table as text; ``below`` are lines for Markdown alone.

    Args:
        style: one of ``FORMATS``.

    Raises:
        IsegmError: an unknown style.
    """
    if style not in FORMATS:
        raise unknown("table format", style, FORMATS)
    if style == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([header, *rows])
        return out.getvalue().rstrip("\n")
    if style == "latex":
        lines = [r"\begin{tabular}{ll" + "r" * (len(header) - 2) + "}", r"\hline"]
        lines += [" & ".join(_latex(c) for c in cells) + r" \\" for cells in (header, *rows)]
        return "\n".join([*lines[:3], r"\hline", *lines[3:], r"\hline", r"\end{tabular}"])
    return "\n".join([*markdown(header, rows), "", *below])


def chosen(
    columns: dict[str, dict[int, DatasetResult]], metrics: Sequence[str] | None
) -> list[tuple[str, str]]:
    """(column, metric) of what is asked for and at least one run has; of ``metrics`` each once.

    Raises:
        IsegmError: an unknown metric, or one that no run has.
    """
    for metric in metrics or ():
        reasons = {lacking(r, metric) for results in columns.values() for r in results.values()}
        if "" not in reasons:
            raise IsegmError(f"no run has {metric}: {'; '.join(sorted(reasons))}")
    return [
        (column, metric)
        for column, results in columns.items()
        for metric in metrics or DEFAULT
        if any(not lacking(r, metric) for r in results.values())
    ]


def lacking(result: DatasetResult, metric: str) -> str:
    """Why a data set of a run cannot be read at a metric; empty if it can."""
    return read(metric).lacking(result.objects, result.thresholds, result.max_clicks)


def stopped_notes(
    columns: dict[str, dict[int, DatasetResult]], picks: Sequence[tuple[str, str]]
) -> list[str]:
    """A line if a metric stands there that early stops distort."""
    touched = sorted({m for c, m in picks if read(m).metric.whole and early(columns[c].values())})
    # The first click of every object is made.
    touched = [m for m in touched if not m.endswith("@1")]
    if not touched:
        return []
    return [
        f"- {', '.join(touched)}: objects that were stopped early keep their last IoU; --all-clicks"
        " of isegm evaluate stops none"
    ]


def early(results: Iterable[DatasetResult]) -> bool:
    """Whether any object was stopped before the limit of clicks."""
    return any(len(o.ious) < result.max_clicks for result in results for o in result.objects)


def notes(runs: Sequence[RunResult]) -> list[str]:
    """The facts that make numbers comparable, one line per run."""
    lines = []
    for run in runs:
        sets = ", ".join(
            f"{d.name}: {len(d.objects)} objects, data {d.fingerprint[:8]}"
            + (f", {len(d.skipped)} skipped" if d.skipped else "")
            for d in run.datasets
        )
        checkpoint = (run.checkpoint.get("sha256") or "")[:12] or "none"
        lines.append(
            f"- {name_of(run)}: protocol {run.protocol_label}, checkpoint {checkpoint}; {sets}"
        )
    return lines


def protocol_notes(runs: Sequence[RunResult]) -> list[str]:
    """One line per column with runs under different protocols."""
    lines = []
    for column, results in columns_of(runs).items():
        labels = dict.fromkeys(runs[i].protocol_label for i in results)
        if len(labels) > 1:
            lines.append(
                f"- {column}: **different protocols in one column** ({'; '.join(labels)}); not a"
                " fair comparison"
            )
    return lines


def published_notes(rows: Sequence[PublishedRow]) -> list[str]:
    """Notes on published rows, if there are any."""
    if not rows:
        return []
    general = "- (published): as printed in the source named beside it and judged by its authors;"
    general += " not run here"
    return [general, *(f"- {row.name}: {row.note}" for row in rows if row.note)]


def curve_picture(runs: Sequence[RunResult], path: str | Path) -> None:
    """Mean IoU against the number of clicks, one panel per data set; the suffix of ``path`` gives
    the format.

    An object that stopped early keeps its last IoU, so a curve from a run that stopped at 90 %
    flattens near it. If runs have different protocols, the legend gives them.
    """
    several = len({run.protocol_label for run in runs}) > 1
    names = [f"{name_of(run)}, {run.protocol_label}" if several else name_of(run) for run in runs]
    columns = columns_of(runs)
    figure = Figure(figsize=(4.6 * len(columns), 3.8), layout="constrained")
    axes = figure.subplots(1, len(columns), squeeze=False)[0]
    for axis, (column, results) in zip(axes, columns.items(), strict=True):
        for i, result in results.items():
            clicks = np.arange(1, result.max_clicks + 1)
            axis.plot(
                clicks,
                [100 * mean_iou_at(result.curves, c) for c in clicks],
                marker=".",
                label=names[i],
            )
        axis.set(
            title=column,
            xlabel="clicks",
            ylabel="mean IoU (%)",
            xlim=(0.5, max(r.max_clicks for r in results.values()) + 0.5),
        )
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    save_figure(figure, path)


def save_figure(figure: Figure, path: str) -> None:
    """Write a picture in the format of its suffix (default PNG); its folder is created if needed.

    Raises:
        IsegmError: an unknown suffix.
    """
    kind = Path(path).suffix[1:].lower()
    if kind and kind not in figure.canvas.get_supported_filetypes():
        raise IsegmError(f"{path}: a picture cannot be written as {kind!r}; use .png, .svg or .pdf")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, aligned; the first two columns hold text, the others numbers."""
    widths = [max(len(r[i]) for r in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        pairs = enumerate(zip(cells, widths, strict=True))
        return f"| {' | '.join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in pairs)} |"

    rules = ("-" * (w + 2) if i < 2 else "-" * (w + 1) + ":" for i, w in enumerate(widths))
    return [line(header), f"|{'|'.join(rules)}|", *map(line, rows)]


def name_of(run: RunResult) -> str:
    return run.model_name or Path(run.checkpoint.get("path") or "model").stem


def distinct(runs: Sequence[RunResult]) -> list[RunResult]:
    """The runs with names that differ: those that share one get their protocol, or a number."""
    names = [name_of(run) for run in runs]
    labels = [
        name if names.count(name) == 1 else f"{name}, {run.protocol_label}"
        for name, run in zip(names, runs, strict=True)
    ]
    return [
        replace(run, model_name=label if labels.count(label) == 1 else f"{label} ({i})")
        for i, (run, label) in enumerate(zip(runs, labels, strict=True), 1)
    ]


def columns_of(runs: Sequence[RunResult]) -> dict[str, dict[int, DatasetResult]]:
    """Comparable results by column title, then by row."""
    keys: dict[tuple, dict[int, DatasetResult]] = {}
    for i, run in enumerate(runs):
        for result in run.datasets:
            key = (result.name, result.fingerprint, len(result.objects), result.max_clicks)
            keys.setdefault(key, {})[i] = result
    names = [key[0] for key in keys]
    titled = {}
    for key, results in keys.items():
        name, fingerprint, size, _ = key
        unique = names.count(name) == 1
        title = name if unique else f"{name} ({size} objects, {fingerprint[:6]})"
        while title in titled:
            title += "'"
        titled[title] = results
    return titled


def cell_of(result: DatasetResult | None, metric: str, intervals: bool = False) -> str:
    """A number as tables print it, "-" if there is none."""
    if result is None or lacking(result, metric):
        return "-"
    reading = read(metric)
    if intervals and image_count(result) > 1:
        return with_interval(reading, interval(result, metric))
    if intervals:  # of a single image: in the same unit, without one
        total, count = reading.parts(result.objects, result.max_clicks).sum(0)
        return reading.shown(float(total / count))
    return reading.cell(reading.value(result.objects, result.max_clicks))


def with_interval(reading: Reading, found: Interval, signed: bool = False) -> str:
    """E.g. ``"3.14 [2.40, 4.02]"``, in the unit of the metric."""
    value, low, high = (reading.shown(x, signed) for x in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def _latex(cell: str) -> str:
    for plain in "&%_#":
        cell = cell.replace(plain, "\\" + plain)
    return cell.replace(">=", r"$\geq$")
