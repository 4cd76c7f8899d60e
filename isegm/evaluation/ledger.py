"""The ledger of published numbers, from papers and repositories, to compare with measured ones.

A printed number need not be comparable: its protocol and ground truth are its authors'. So the
ledger keeps the source of each number, and contradictory sources side by side.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from isegm.core.errors import IsegmError, unknown
from isegm.utils.config import repository_file

LEDGER = repository_file("assets/published.csv")
COLUMNS = ("method", "backbone", "train_set", "dataset", "metric", "value", "source", "note")


@dataclass(frozen=True)
class PublishedRow:
    """The numbers of one network in one source.

    Attributes:
        values: by (data set, metric), e.g. ``{("GrabCut", "NoC@90"): 1.54}``.
        source: where the numbers are printed.
        note: a remark that readers need, often empty.
    """

    method: str
    backbone: str
    train_set: str
    source: str
    note: str = ""
    values: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """E.g. ``"RITM HRNet18 IT-M, COCO+LVIS (published)"``."""
        network = f"{self.method} {self.backbone}".strip()
        data = f", {self.train_set}" if self.train_set else ""
        return f"{network}{data} (published)"


def read_ledger(path: str | Path = LEDGER) -> list[PublishedRow]:
    """Read a ledger, one row per network and source, in the order of the file.

    Raises:
        IsegmError: the file is missing, has other columns, or a value that is not a number.
    """
    rows: dict[tuple[str, ...], PublishedRow] = {}
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise IsegmError(
                    f"{path} has the columns {reader.fieldnames}, expected {', '.join(COLUMNS)}"
                )
            for line in reader:
                names = ("method", "backbone", "train_set", "source", "note")
                key = tuple(line[name] for name in names)
                row = rows.setdefault(key, PublishedRow(*key))
                row.values[line["dataset"], line["metric"]] = float(line["value"])
    except FileNotFoundError:
        raise IsegmError(
            f"there is no ledger of published numbers {path}; it is part of the repository"
        ) from None
    except (TypeError, ValueError) as error:
        raise IsegmError(f"{path}, line {reader.line_num}: {error}") from None
    return list(rows.values())


def published(methods: Sequence[str], path: str | Path = LEDGER) -> list[PublishedRow]:
    """The rows of some methods, method by method.

    Raises:
        IsegmError: as ``read_ledger``, or no row of a method; the nearest names are listed.
    """
    rows = read_ledger(path)
    known = {row.method for row in rows}
    for method in methods:
        if method not in known:
            raise unknown(f"method in {Path(path).name}", method, known)
    return [row for method in methods for row in rows if row.method == method]
