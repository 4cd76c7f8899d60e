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

log = logging.getLogger("isegm")


class RecordFile:
    """The records of one data set: ``<path>.<rank>.jsonl`` for each process, whose first line is
    the identity of the run.

    Killing a process loses only the objects in play: lines are written at once, and a torn last
    line is skipped.

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
        torn = path.exists() and not path.read_bytes().endswith(b"\n")
        fresh = not path.exists() or path.stat().st_size == 0
        file = path.open("a")
        if torn:
            file.write("\n")
        if fresh:
            file.write(json.dumps({"identity": self.identity}) + "\n")
        return file

    def _read(self, path: Path) -> dict[int, ObjectRecord | Skipped]:
        known: dict[int, ObjectRecord | Skipped] = {}
        for number, text in enumerate(path.read_text().splitlines()):
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue  # torn by a kill: that object is played again
            if number == 0:
                self._check(line.get("identity", {}), path)
            elif "skipped" in line:
                known[line["index"]] = Skipped(*line["skipped"])
            elif "ious" in line:
                known[line["index"]] = ObjectRecord.from_json(line)
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
