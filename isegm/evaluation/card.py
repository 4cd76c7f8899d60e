"""Model cards: the facts of a checkpoint, what was measured of it, and prose.

Facts come from the checkpoint. Numbers come from result files and from the file of ``isegm speed
--save-json``; nobody types them. Prose is written by hand, in a page. The metadata of a checkpoint
keep all but the facts as JSON under ``card``: ``{"schema": 1, "sections": {heading: Markdown},
"numbers": {...}}``, and under ``facts`` those that no file says, such as the licence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from isegm.core.errors import IsegmError
from isegm.evaluation.card_facts import facts
from isegm.evaluation.metrics import read
from isegm.evaluation.pages import BEGIN, END, checked, fill, sections
from isegm.evaluation.report import with_interval
from isegm.evaluation.results import DatasetResult, RunResult
from isegm.evaluation.statistics import RESAMPLES, Interval, image_count, interval, readable
from isegm.methods.checkpoints import add_metadata, read_metadata
from isegm.originals.loading import LoadedModel
from isegm.utils.files import replacing

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
        "metrics": {m: asdict(interval(result, m)) for m in METRICS if readable(result, m)},
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
    """The part of a file of ``isegm speed --save-json`` that a card shows.

    Raises:
        IsegmError: the file is missing or something else.
    """
    try:
        whole = json.loads(Path(path).read_text())
        return {name: whole[name] for name in SPEED}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IsegmError(f"{path} is no file of isegm speed --save-json ({error!r})") from None


def markdown(measured: dict[str, Any]) -> str:
    """The numbers as the block of a page."""
    size = f"{measured['parameters']:,} parameters, {measured['bytes'] / 1e6:.1f} MB"
    lines = [
        f"Measured on checkpoint `{measured['sha256'][:16]}` (SHA-256, before its card was written"
        f" into it), {size}.",
        "",
    ]
    if measured["rows"]:
        lines += ["| data set | protocol | objects (images) | " + " | ".join(METRICS) + " |"]
        lines += ["|---|---|---|---|---|---|---|---|", *map(_table_row, measured["rows"]), ""]
        lines += [
            f"In brackets: 95 % intervals of {RESAMPLES:,} bootstrap resamples of whole images;"
            " where no",
            "object fails, the binomial bound. mIoU and failures in percent.",
            "",
        ]
    if measured["speed"]:
        lines += _speed(measured["speed"])
    if not (measured["rows"] or measured["speed"]):
        lines += ["Not evaluated yet.", ""]
    return "\n".join(lines[:-1]) + "\n"


def _table_row(row: dict[str, Any]) -> str:
    measured = row["metrics"]
    cells = [
        with_interval(read(m), Interval(**measured[m])) if m in measured else "-" for m in METRICS
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


def text(loaded: LoadedModel, card: dict[str, Any], marked: bool = False) -> str:
    """A whole card as Markdown.

    Args:
        card: as ``read_card`` returns it.
        marked: with the comments around the numbers that make it a page to fill again.
    """
    block = markdown(card["numbers"]).strip()
    rows = [f"| {label} | {value} |" for label, value in facts(loaded, card).items()]
    parts = [f"# {Path(loaded.path).stem}", "\n".join(["| | |", "|---|---|", *rows])]
    prose = {heading: body for heading, body in card.get("sections", {}).items() if body}
    parts += [f"{BEGIN}\n{block}\n{END}" if marked else block]
    parts += [f"## {heading}\n\n{body}" for heading, body in prose.items()]
    return "\n\n".join(parts) + "\n"


def assembled(
    loaded: LoadedModel,
    measured: dict[str, Any],
    stated: dict[str, str],
    page: Path | None = None,
) -> dict[str, Any]:
    """A card: what the file's own card has, with what is new in its place.

    Args:
        measured: what ``numbers`` returns.
        stated: facts that the file does not say, by label; see ``card_facts``.
        page: the prose; None keeps that of the file's card.

    Raises:
        IsegmError: as ``read_card``, or the page has no block of numbers.
    """
    kept = read_card(loaded.path) or {}
    prose = kept.get("sections", {}) if page is None else sections(checked(page))
    card = {"schema": SCHEMA, "sections": prose, "numbers": measured}
    known = kept.get("facts", {}) | stated
    return card | ({"facts": known} if known else {})


def write(path: str | Path, card: dict[str, Any]) -> None:
    """Put a card into the metadata of a .safetensors; its hash changes, no tensor does.

    Raises:
        IsegmError: the file is none of this package's .safetensors.
    """
    add_metadata(path, {KEY: json.dumps(card)})


def write_page(page: Path, loaded: LoadedModel, card: dict[str, Any]) -> None:
    """Put the numbers into a page; one that does not exist becomes the whole card.

    Raises:
        IsegmError: the page has no block of numbers.
    """
    if page.exists():
        fill(page, markdown(card["numbers"]))
        return
    with replacing(page) as partial:
        partial.write_text(text(loaded, card, marked=True))
