"""Model cards: a page of prose with a block of numbers, and the same in the metadata of a
checkpoint.

The prose is written by hand, in the page. The numbers come from result files and from the file of
``scripts/measure_speed.py``; nobody types them. Both go into the metadata of the checkpoint as JSON
under ``card``: ``{"schema": 1, "sections": {heading: Markdown}, "numbers": {...}}``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from isegm.core.errors import IsegmError
from isegm.evaluation.metrics import read
from isegm.evaluation.pages import checked, fill, sections
from isegm.evaluation.report import with_interval
from isegm.evaluation.results import DatasetResult, RunResult
from isegm.evaluation.statistics import RESAMPLES, Interval, image_count, interval
from isegm.methods.checkpoints import add_metadata, read_metadata
from isegm.originals.loading import LoadedModel

SCHEMA = 1
KEY = "card"
METRICS = ("NoC@85", "NoC@90", "mIoU@1", "mIoU@5", "fail@90")
SPEED = ("parameters", "first_click", "later_click", "environment", "size", "protocol")


def numbers(
    checkpoint: LoadedModel, runs: Sequence[RunResult], speed: dict[str, Any] | None
) -> dict[str, Any]:
    """What was measured of a checkpoint, as plain values.

    Args:
        runs: evaluations of this very file; none to keep those of the card that it has.
        speed: what ``read_speed`` returns; None likewise.

    Raises:
        IsegmError: a run is of another checkpoint, or holds fewer than two images.
    """
    kept = (read_card(checkpoint.path) or {}).get("numbers", {})
    known = {checkpoint.sha256, kept.get("sha256")}  # writing a card changes the hash of the file
    for run in runs:
        if run.checkpoint.get("sha256") not in known:
            raise IsegmError(
                f"the results of {run.model_name or 'a run'} are of the checkpoint"
                f" {run.checkpoint.get('sha256')!s:.16},"
                f" but {checkpoint.path} is {checkpoint.sha256:.16}; evaluate this file"
            )
    return {
        "sha256": runs[0].checkpoint["sha256"] if runs else kept.get("sha256", checkpoint.sha256),
        "parameters": sum(parameter.numel() for parameter in checkpoint.model.parameters()),
        "bytes": Path(checkpoint.path).stat().st_size,
        "rows": [_row(run, each) for run in runs for each in run.datasets] or kept.get("rows", []),
        "speed": speed or kept.get("speed"),
    }


def _row(run: RunResult, result: DatasetResult) -> dict[str, Any]:
    return {
        "dataset": result.name,
        "fingerprint": result.fingerprint,
        "protocol": run.protocol_label,
        "mode": run.checkpoint.get("mode", ""),
        "objects": len(result.objects),
        "images": image_count(result),
        "metrics": {metric: asdict(interval(result, metric)) for metric in METRICS},
    }


def read_card(path: str | Path) -> dict[str, Any] | None:
    """The card in a checkpoint's metadata, None if it has none.

    Raises:
        IsegmError: the file cannot be read, or the card is of another schema.
    """
    text = read_metadata(path).get(KEY)
    if text is None:
        return None
    card = json.loads(text)
    if card.get("schema") != SCHEMA:
        raise IsegmError(
            f"the card in {path} has schema {card.get('schema')!r}, this version reads {SCHEMA}"
        )
    return card


def read_speed(path: str | Path) -> dict[str, Any]:
    """The part of a file of ``measure_speed.py --save-json`` that a card shows.

    Raises:
        IsegmError: the file is missing or something else.
    """
    try:
        whole = json.loads(Path(path).read_text())
        return {name: whole[name] for name in SPEED}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IsegmError(
            f"{path} is no file of scripts/measure_speed.py --save-json ({error!r})"
        ) from None


def markdown(measured: dict[str, Any]) -> str:
    """The numbers as the block of a page."""
    size = f"{measured['parameters']:,} parameters, {measured['bytes'] / 1e6:.1f} MB"
    lines = [f"Checkpoint `{measured['sha256'][:16]}` (SHA-256), {size}.", ""]
    if measured["rows"]:
        lines += ["| data set | protocol | objects (images) | " + " | ".join(METRICS) + " |"]
        lines += ["|---|---|---|---|---|---|---|---|", *map(_table_row, measured["rows"]), ""]
        lines += [
            f"In brackets: 95 % intervals of {RESAMPLES:,} bootstrap resamples of whole images."
            " mIoU and",
            "failures in percent.",
            "",
        ]
    if measured["speed"]:
        lines += _speed(measured["speed"])
    if not (measured["rows"] or measured["speed"]):
        lines += ["Not evaluated yet.", ""]
    return "\n".join(lines[:-1]) + "\n"


def _table_row(row: dict[str, Any]) -> str:
    cells = [
        with_interval(read(metric), Interval(**found)) for metric, found in row["metrics"].items()
    ]
    mode = f", {row['mode']}" if row["mode"] not in ("", "NoBRS") else ""
    first = [row["dataset"], row["protocol"] + mode, f"{row['objects']} ({row['images']})"]
    return f"| {' | '.join([*first, *cells])} |"


def _speed(speed: dict[str, Any]) -> list[str]:
    rows, columns = speed["size"]
    where = f"{speed['environment']['device']}, {speed['environment']['threads']} threads"
    table = ["| one click | GFLOPs | ms p50 | ms p95 |", "|---|---:|---:|---:|"]
    for name, key in (("first", "first_click"), ("later", "later_click")):
        click = speed[key]
        table.append(
            f"| {name} | {click['gflops']:.2f} | {click['ms_p50']:.0f} | {click['ms_p95']:.0f} |"
        )
    note = f"Image of {rows} x {columns} under {speed['protocol']}, on {where}."
    note += " A multiply-add counts as two operations."
    return [*table, "", note, ""]


def write(page: Path, path: str | Path, measured: dict[str, Any]) -> None:
    """Put the numbers into the page, and page and numbers into the checkpoint's metadata.

    Raises:
        IsegmError: the page is missing or has no block of numbers.
    """
    card = {"schema": SCHEMA, "sections": sections(checked(page)), "numbers": measured}
    add_metadata(path, {KEY: json.dumps(card)})
    fill(page, markdown(measured))
