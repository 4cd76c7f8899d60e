"""Run folders: ``experiments/<method>/<script>/NNN_<name>/`` with checkpoints/, logs/, vis/ and the
experiment.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from isegm.core.errors import IsegmError, unknown
from isegm.training.checkpoint import LAST
from isegm.training.options import RunOptions
from isegm.utils.files import WRITING

log = logging.getLogger("isegm")
EXPERIMENT = "experiment.json"
LOCK, NOTE = ".lock", ".writer"  # in a run folder: the lock of its writer, and who that is or was


@dataclass(frozen=True)
class RunFolder:
    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def vis(self) -> Path:
        return self.path / "vis"

    @property
    def last_checkpoint(self) -> Path:
        return self.checkpoints / LAST


class Writer:
    """The right to write into a run folder, which one training at a time has.

    The system takes it back when the process ends, however it ends.

    Raises:
        IsegmError: another training has it, and which.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / LOCK)
        self._note = folder / NOTE
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            named = self._note.exists()
            holder = self._note.read_text().strip() if named else "another process"
            raise IsegmError(
                f"{folder} is being written by {holder}; wait until that training ends, or stop it."
                " A new run needs no --resume"
            ) from None
        except NotImplementedError:  # a file system without locks
            log.warning("%s: this file system has no locks; do not resume a live run", folder)
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        self._note.write_text(f"process {os.getpid()} on {socket.gethostname()} since {started}\n")

    def release(self) -> None:
        with contextlib.suppress(OSError):  # of a disk that is full or gone
            self._note.unlink(missing_ok=True)
        self._lock.release()


@contextlib.contextmanager
def full_disks_explained(folder: Path) -> Iterator[None]:
    """Explain that logs and pictures cannot be written; checkpoints explain it themselves.

    Raises:
        IsegmError: instead of the disk's error.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in WRITING:
            raise
        raise IsegmError(
            f"cannot write below {folder}: {error.strerror}. Free space there (or change EXPS_PATH"
            " in config.yml) and continue with --resume auto"
        ) from error


def create(experiment: Path, run: RunOptions, description: str) -> RunFolder:
    """A new run folder with the next free number.

    Args:
        experiment: the folder of all runs of one experiment.
        run: its files are copied into the folder.
        description: of the experiment after all overrides, for experiment.json.
    """
    exp_name = run.exp_name
    number = max((_number(folder) for folder in _runs(experiment)), default=-1) + 1
    while True:
        path = experiment / (f"{number:03d}_{exp_name}" if exp_name else f"{number:03d}")
        try:
            path.mkdir(parents=True)
            break
        except FileExistsError:  # another run started at the same moment
            number += 1
    made = RunFolder(path)
    for folder in (made.checkpoints, made.logs, made.vis):
        folder.mkdir()
    for file in run.files:
        shutil.copy2(file, path / file.name)
    (path / EXPERIMENT).write_text(description)
    return made


def find_checkpoint(experiment: Path, run: RunOptions) -> Path | None:
    """The checkpoint that ``--resume`` refers to, or None for a new run.

    Raises:
        IsegmError: a named run or checkpoint does not exist.
    """
    if run.resume is None:
        return None
    if run.resume == "auto":
        named = [
            folder
            for folder in _runs(experiment)
            if not run.exp_name or re.sub(r"^\d+_?", "", folder.name) == run.exp_name
        ]
        resumable = [folder for folder in named if (folder / "checkpoints" / LAST).exists()]
        if not resumable:
            log.info("nothing to resume under %s, starting a new run", experiment)
            return None
        return _checkpoint_in(resumable[-1], run.resume_prefix)
    path = Path(run.resume).expanduser()
    if path.is_dir():
        return _checkpoint_in(path, run.resume_prefix)
    if path.suffix == ".pth":
        return path
    named = [folder for folder in _runs(experiment) if folder.name.startswith(run.resume)]
    if not named:
        raise unknown(
            f"run in {experiment}", run.resume, [folder.name for folder in _runs(experiment)]
        )
    if len(named) > 1:
        raise IsegmError(
            f"--resume {run.resume} could be any of {', '.join(f.name for f in named)}; give more"
            " of the name"
        )
    return _checkpoint_in(named[0], run.resume_prefix)


def of_checkpoint(checkpoint: Path) -> RunFolder:
    """The run folder of a checkpoint; missing folders are created, half-written files removed. Only
    its ``Writer`` may call this.
    """
    run = RunFolder(checkpoint.resolve().parent.parent)
    for folder in (run.checkpoints, run.logs, run.vis):
        folder.mkdir(exist_ok=True)
    for partial in run.checkpoints.glob(".*.part"):  # of a process that was killed while it wrote
        partial.unlink()
    return run


def _checkpoint_in(folder: Path, prefix: str) -> Path:
    matches = sorted(folder.glob(f"checkpoints/{prefix}*.pth"))
    if len(matches) != 1:
        names = sorted(path.name for path in folder.glob("checkpoints/*.pth"))
        raise IsegmError(
            f"{folder} has {len(matches)} checkpoints that begin with {prefix!r}, expected one;"
            f" it has {', '.join(names) or 'none'}"
        )
    return matches[0]


def _runs(experiment: Path) -> list[Path]:
    """The run folders in the order of their numbers."""
    if not experiment.is_dir():
        return []
    return sorted((p for p in experiment.iterdir() if p.is_dir() and _number(p) >= 0), key=_number)


def _number(folder: Path) -> int:
    match = re.match(r"(\d{3,})(_|$)", folder.name)
    return int(match.group(1)) if match else -1
