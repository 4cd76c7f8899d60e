"""Checks of a copy of a data set: files, counts, readable pictures, matching sizes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.data.catalogue import DataSet, Subset
from isegm.data.conversion.coco_lvis import SUMMARY
from isegm.data.dataset import Source
from isegm.data.evaluation_sets import EvalDataset
from isegm.data.leave_out import FILE, left_out
from isegm.data.reading import CorruptSample
from isegm.utils.files import sha256_of


@dataclass
class Finding:
    """The result of checking a part.

    Attributes:
        length, objects: counts; ``objects`` is None if unknown.
        problems: one line each. A count that differs from the literature is a problem of an
            evaluation set, whose numbers would not compare; a training set may be a selection.
        notes: anything else worth knowing.
    """

    part: Subset
    length: int = 0
    objects: int | None = None
    looked_at: int = 0
    fingerprint: str = ""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check(
    data_set: DataSet,
    part: Subset,
    cfg: EasyDict,
    sample: int | None,
    progress: Callable[[Any], Any] = iter,
) -> Finding:
    """Open a part, count it, and read samples: pictures and masks must be readable, of one size,
    and hold an object.

    Args:
        sample: number of samples to read, evenly spread; None reads all.
        progress: wraps the iteration, e.g. ``tqdm``.
    """
    finding = Finding(part)
    try:
        root = data_set.root(cfg)
        opened = part.open(root, cfg)
    except IsegmError as error:
        finding.problems.append(str(error))
        return finding
    finding.length = len(opened)
    finding.objects = getattr(opened, "object_count", None)
    if not isinstance(opened, EvalDataset) and (without := left_out(root)):
        finding.notes.append(f"{FILE} lists {len(without)} files that are not to be trained on")
    _compare_counts(finding, isinstance(opened, EvalDataset))
    finding.problems += [
        text for name in part.annotations for text in _conversion_problems(root / name)
    ]
    for index in progress(spread(finding.length, sample)):
        finding.looked_at += 1
        try:
            _read(opened, index)
        except CorruptSample as error:
            finding.problems.append(str(error))
    finding.fingerprint = (
        opened.fingerprint()
        if isinstance(opened, EvalDataset)
        else fingerprint(root, part.annotations)
    )
    return finding


def spread(length: int, sample: int | None) -> Sequence[int]:
    """``sample`` different positions of ``length``, evenly spread from first to last; None: all."""
    if sample is None or sample >= length:
        return range(length)
    return np.unique(np.linspace(0, length - 1, sample).round().astype(int)).tolist()


def fingerprint(root: Path, names: Sequence[str]) -> str:
    """A sha256 over annotations: the bytes of files, the names and sizes of everything in folders.

    For a file that may be in several places, it does not matter in which it is, nor whether there
    are copies.
    """
    lines = []
    for path in (root / name for name in names):
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
            lines += [f"{file.relative_to(root)} {file.stat().st_size}\n" for file in files]
        elif path.is_file():
            lines.append(f"{sha256_of(path)}\n")
    return hashlib.sha256("".join(dict.fromkeys(lines)).encode()).hexdigest()


def _read(opened: EvalDataset | Source, index: int) -> None:
    if isinstance(opened, EvalDataset):
        opened[index]
    elif not opened.read(index, np.random.default_rng(index)).layers.any():
        raise CorruptSample(f"image {index} has no annotated pixel")


def _compare_counts(finding: Finding, is_evaluation: bool) -> None:
    for what, number, expected in (
        ("samples", finding.length, finding.part.count),
        ("objects", finding.objects, finding.part.objects),
    ):
        if None in (number, expected) or number == expected:
            continue
        if is_evaluation:
            finding.problems.append(
                f"{number:,} {what}, but the literature has {expected:,}; numbers would not compare"
            )
        else:
            finding.notes.append(
                f"{number:,} {what} here, {expected:,} in the literature: a selection, or another"
                " version"
            )


def _conversion_problems(path: Path) -> Iterator[str]:
    """Changes to what ``isegm convert-annotations`` wrote."""
    summary = path.with_name(SUMMARY)
    if path.name == "hannotation.pickle" and summary.is_file():
        try:
            expected = json.loads(summary.read_text())["hannotation_sha256"]
        except (ValueError, KeyError, TypeError):
            yield f"{summary} is damaged"
            return
        if sha256_of(path) != expected:
            yield f"{path} is not the file described in {summary.name}: its sha256 differs"
