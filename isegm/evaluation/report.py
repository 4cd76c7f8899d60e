"""Tables and curves from result files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from isegm.core.errors import IsegmError, unknown
from isegm.evaluation.ledger import PublishedRow
from isegm.evaluation.metrics import mean_iou_at
from isegm.evaluation.results import DatasetResult, RunResult

matplotlib.use("Agg")

FORMATS = ("markdown", "csv", "latex")


def table(
    runs: Sequence[RunResult],
    metrics: Sequence[str] | None = None,
    style: str = "markdown",
    published: Sequence[PublishedRow] = (),
) -> str:
    """One row per run, one column per data set and metric.

    Data sets with the same name but another fingerprint, count or number of clicks get separate
    columns, and every row states its protocol. Notes below a Markdown table give protocol,
    checkpoint hash, fingerprint and sample count.

    Args:
        metrics: e.g. ``["NoC@85", "NoC@90"]``; by default NoC at 85 and 90 and the failures at 90,
            if a run has them.
        style: one of ``FORMATS``.
        published: rows to add below for the data sets and metrics of the runs, with their source
            instead of a protocol; rows without any of these are left out.
    """
    if style not in FORMATS:
        raise unknown("table format", style, FORMATS)
    columns = _columns(runs)
    header = ["model", "protocol"]
    picks: list[tuple[str, str]] = []
    for column, results in columns.items():
        known = {metric for result in results.values() for metric in result.metrics}
        available = [m for m in (metrics or ("NoC@85", "NoC@90", "fail@90")) if m in known]
        picks += [(column, m) for m in available]
        header += [f"{column} {m}" for m in available]
    rows = []
    for i, run in enumerate(runs):
        values = (_cell(columns[column].get(i), metric) for column, metric in picks)
        rows.append([name_of(run), run.protocol_label, *values])
    keys = [(next(iter(columns[column].values())).name, metric) for column, metric in picks]
    shown = [row for row in published if any(key in row.values for key in keys)]
    for row in shown:
        values = (f"{row.values[key]:.2f}" if key in row.values else "-" for key in keys)
        rows.append([row.name, row.source, *values])
    if style == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([header, *rows])
        return out.getvalue().rstrip("\n")
    if style == "latex":
        lines = [r"\begin{tabular}{ll" + "r" * len(picks) + "}", r"\hline"]
        lines += [" & ".join(_latex(c) for c in cells) + r" \\" for cells in (header, *rows)]
        return "\n".join([*lines[:3], r"\hline", *lines[3:], r"\hline", r"\end{tabular}"])
    return "\n".join(
        [*markdown(header, rows), "", *notes(runs), *protocol_notes(runs), *published_notes(shown)]
    )


def notes(runs: Sequence[RunResult]) -> list[str]:
    """The facts that make numbers comparable, one line per run."""
    lines = []
    for run in runs:
        sets = ", ".join(
            f"{d.name}: {len(d.objects)} objects, data {d.fingerprint[:8]}"
            + (f", {len(d.skipped)} skipped" if d.skipped else "")
            for d in run.datasets
        )
        checkpoint = run.checkpoint.get("sha256", "")[:12] or "none"
        lines.append(
            f"- {name_of(run)}: protocol {run.protocol_label}, checkpoint {checkpoint}; {sets}"
        )
    return lines


def protocol_notes(runs: Sequence[RunResult]) -> list[str]:
    """One line per column with runs under different protocols."""
    lines = []
    for column, results in _columns(runs).items():
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
    columns = _columns(runs)
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
    return run.model_name or Path(run.checkpoint.get("path", "model")).stem


def _columns(runs: Sequence[RunResult]) -> dict[str, dict[int, DatasetResult]]:
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


def _cell(result: DatasetResult | None, metric: str) -> str:
    value = result.metrics.get(metric) if result else None
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return f"{100 * value:.1f}" if metric.startswith("mIoU") else f"{value:.2f}"


def _latex(cell: str) -> str:
    for plain in "&%_#":
        cell = cell.replace(plain, "\\" + plain)
    return cell.replace(">=", r"$\geq$")
