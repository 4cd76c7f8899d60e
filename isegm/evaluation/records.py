"""Records on disk, one line per object, so that an interrupted evaluation continues where it
stopped.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from isegm.core.errors import IsegmError
from isegm.evaluation.lockstep import Skipped
from isegm.evaluation.results import ObjectRecord
from isegm.evaluation.schema import check_record
from isegm.utils.files import replacing

log = logging.getLogger("isegm")


class RecordFile:
    """The records of one data set: ``<path>.<rank>.jsonl`` for each process, whose first line is
    the identity of the run.

    Killing a process loses only the objects in play: lines are written at once, and a torn line is
    skipped. A file whose first line is damaged may belong to any run, so none of it is used.

    Args:
        path: without suffix; all processes write to the same folder.
        identity: protocol, checkpoint etc. of the run; records with another identity are refused.
        rank: of this process.
    """

    def __init__(self, path: str | Path, identity: Mapping[str, Any], rank: int = 0) -> None:
        self.path, self.rank = Path(path), rank
        self.identity = json.loads(json.dumps(identity))
        self._file: IO[str] | None = None

    def open(self, fingerprint: str) -> dict[int, ObjectRecord | Skipped]:
        """Read the outcomes in the files of all processes.

        Raises:
            IsegmError: the records belong to another protocol, checkpoint or data.
        """
        self.identity["data"] = fingerprint
        known: dict[int, ObjectRecord | Skipped] = {}
        for path in self._files():
            known |= self._read(path)
        if known and self.rank == 0:
            log.info("continuing: %d objects are already in %s.*.jsonl", len(known), self.path)
        return known

    def add(self, index: int, outcome: ObjectRecord | Skipped) -> None:
        """Append one outcome and flush it."""
        if isinstance(outcome, Skipped):
            line = {"index": index, "skipped": [outcome.id, outcome.reason]}
        else:
            line = {"index": index, **outcome.as_json()}
        if self._file is None:
            self._file = self._start()
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Delete the files of all processes, once the result is saved."""
        self.close()
        for path in self._files():
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{self.path.name}.[0-9]*.jsonl"))

    def _start(self) -> IO[str]:
        path = self.path.with_name(f"{self.path.name}.{self.rank}.jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or _identity(path.read_bytes()) is None:
            with replacing(path) as partial:  # never a part of the identity, even after a kill
                partial.write_text(json.dumps({"identity": self.identity}) + "\n")
        torn = not path.read_bytes().endswith(b"\n")
        file = path.open("a", encoding="utf-8")
        if torn:
            file.write("\n")
        return file

    def _read(self, path: Path) -> dict[int, ObjectRecord | Skipped]:
        content = path.read_bytes()
        identity = _identity(content)
        if identity is None:
            log.warning(
                "%s does not say to which run it belongs (its first line is damaged): none of its"
                " records are used, and their objects are played again",
                path,
            )
            return {}
        self._check(identity, path)
        known: dict[int, ObjectRecord | Skipped] = {}
        lines = content.split(b"\n")[1:]
        for number, text in enumerate(lines, 2):
            outcome = _outcome(text, f"line {number} of {path}")
            if outcome is not None:
                known[outcome[0]] = outcome[1]
            elif text and number <= len(lines):  # the last line may be torn by a kill
                log.warning("line %d of %s is damaged; its object is played again", number, path)
        return known

    def _check(self, old: Mapping[str, Any], path: Path) -> None:
        now = self.identity
        names = sorted(key for key in {**now, **old} if old.get(key) != now.get(key))
        if names:
            changes = (f"{key} was {old.get(key)!r}, now {now.get(key)!r}" for key in names)
            raise IsegmError(
                f"{path} holds records of an interrupted run that differs in {', '.join(names)}"
                f" ({'; '.join(changes)}); run that again to finish it, choose another --save-json,"
                " or delete the file"
            )


def _json(text: bytes) -> dict[str, Any]:
    """A line as a mapping; empty if it is damaged."""
    try:
        line = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return line if isinstance(line, dict) else {}


def _identity(content: bytes) -> Mapping[str, Any] | None:
    """The identity in the first line of a file; None if that line is damaged."""
    first, _, _ = content.partition(b"\n")
    identity = _json(first).get("identity")
    return identity if isinstance(identity, dict) else None


def _outcome(text: bytes, source: str) -> tuple[int, ObjectRecord | Skipped] | None:
    """The index and the outcome in a line; None if it is damaged."""
    line = _json(text)
    index, skipped = line.get("index"), line.get("skipped")
    if type(index) is not int or index < 0:
        return None
    if skipped is not None:
        strings = isinstance(skipped, list) and [type(part) for part in skipped] == [str, str]
        return (index, Skipped(*skipped)) if strings else None
    try:
        check_record(line, source)
    except IsegmError:
        return None
    return index, ObjectRecord.from_json(line)
