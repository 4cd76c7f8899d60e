"""Running checks one after another, isolated so that none can break another.

They run in a process of their own. It is replaced when it dies, hangs, or has failed on a GPU:
after an error of the device, and often after one of memory, nothing that the same process does
later can be trusted.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from isegm.core.errors import IsegmError
from isegm.selftest.checks import (
    FAILED,
    NOT_RUN,
    OK,
    SKIPPED,
    Check,
    NotHere,
    Outcome,
    Place,
    Wrong,
    checks_for,
)

Finder = Callable[[Place, Sequence[str]], list[Check]]
Key = tuple[str, str]

START_SECONDS = 180.0  # for a process that imports torch on a busy machine
LAST_WORDS = 1500  # characters of what a process that died has printed
MEMORY_ADVICE = "free memory (nvidia-smi, top), or compare with a larger device"


def run_all(
    place: Place,
    seconds: float,
    only: Sequence[str] = (),
    find: Finder = checks_for,
) -> Iterator[Outcome]:
    """Run all checks of a place and yield their outcomes, one by one.

    Args:
        seconds: the budget; whatever has not finished by then is ``NOT_RUN``.
        only: groups, see ``checks_for``.
        find: lists the checks; the process that runs them calls it, too.
    """
    deadline = time.monotonic() + seconds
    checks = find(place, only)
    with tempfile.TemporaryDirectory(prefix="isegm-selftest-") as folder:
        worker = _Worker(place, only, find, Path(folder) / "said.txt")
        try:
            for check in checks:
                left = deadline - time.monotonic()
                if left <= 0:
                    yield Outcome(*check.key, NOT_RUN, reason="the time was up")
                    continue
                outcome = worker.run(check, left)
                yield outcome
                if outcome.status == FAILED and place.on_gpu:
                    worker.stop()
        finally:
            worker.stop()


class _Worker:
    """A process that runs checks; started when it is needed.

    Args:
        said: the file that holds what it prints.
    """

    def __init__(self, place: Place, only: Sequence[str], find: Finder, said: Path) -> None:
        self.arguments, self.said = (place, tuple(only), find, str(said)), said
        self.context = multiprocessing.get_context("spawn")
        self.process: Any = None
        self.connection: Connection | None = None

    def run(self, check: Check, left: float) -> Outcome:
        """Run one check for at most ``left`` seconds."""
        started = time.monotonic()
        self._start()
        allowed = min(check.limit + (0 if self.ready else START_SECONDS), left)
        try:
            self.connection.send(check.key)
            while self.connection.poll(max(0.0, started + allowed - time.monotonic())):
                received = self.connection.recv()
                if isinstance(received, Outcome):
                    return received
                self.ready = True  # its first word: everything is imported
                allowed = min(time.monotonic() - started + check.limit, left)
        except (EOFError, OSError):
            return self._died(check, time.monotonic() - started)
        self.stop()
        spent = time.monotonic() - started
        if allowed >= left:
            return Outcome(*check.key, NOT_RUN, spent, reason="the time was up before it had ended")
        reason = f"no answer after {spent:.0f} s, so it was ended"
        advice = f"try again with --only {check.group} on an idle machine; else {check.advice}"
        return Outcome(*check.key, FAILED, spent, reason=reason, advice=advice)

    def stop(self) -> None:
        """End the process and everything it has started."""
        if self.process is None:
            return
        self.connection.close()
        if self.process.is_alive():
            # It leads a group of its own, to which processes of a check belong, too.
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
        self.process.join()
        self.process = None

    def _start(self) -> None:
        if self.process is not None:
            return
        self.ready = False
        self.connection, theirs = self.context.Pipe()
        self.process = self.context.Process(target=_serve, args=(theirs, *self.arguments))
        self.process.start()
        theirs.close()  # so that the end of the process ends the connection

    def _died(self, check: Check, spent: float) -> Outcome:
        self.process.join(10)
        code = self.process.exitcode
        self.stop()
        how = f"status {code}"
        if code is not None and code < 0:
            how = signal.Signals(-code).name
        words = self.said.read_text(errors="replace")[-LAST_WORDS:] if self.said.exists() else ""
        advice = MEMORY_ADVICE if code == -signal.SIGKILL else check.advice
        reason = f"its process died ({how})"
        return Outcome(*check.key, FAILED, spent, {}, reason, advice, words)


def _serve(
    connection: Connection, place: Place, only: Sequence[str], find: Finder, said: str
) -> None:
    """The process: names of checks come in, outcomes go out."""
    with suppress(OSError):
        os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and ends this one
    with Path(said).open("w") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    known = {check.key: check for check in find(place, only)}
    connection.send("ready")
    while True:
        try:
            key: Key = connection.recv()
        except EOFError:
            return
        connection.send(outcome_of(known[key], place))


def outcome_of(check: Check, place: Place) -> Outcome:
    """Run a check in this process."""
    started, advice = time.perf_counter(), check.advice
    figures, reason, trace = {}, "", ""
    try:
        figures, status = dict(check.run(place)), OK
        if place.on_gpu:
            torch.cuda.synchronize()  # an error of the device belongs to the check that caused it
    except NotHere as lack:
        status, reason = SKIPPED, str(lack)
    except Wrong as wrong:
        status, reason = FAILED, str(wrong)
    except (torch.OutOfMemoryError, MemoryError) as error:
        status, reason, advice = FAILED, f"out of memory: {error}"[:300], MEMORY_ADVICE
    except IsegmError as error:
        status, reason = FAILED, str(error)
    except Exception as error:  # whatever else a device can do
        status, trace = FAILED, traceback.format_exc()
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    spent = time.perf_counter() - started
    advice = advice if status == FAILED else ""
    return Outcome(*check.key, status, spent, figures, reason, advice, trace)
