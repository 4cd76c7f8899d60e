"""SIGTERM and Ctrl-C as requests to finish the step, save and exit."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from isegm.utils.processes import launched, rank

STOPPING = (signal.SIGTERM, signal.SIGINT)
CAN_HOLD_BACK = sys.platform != "win32"  # without signal masks; nor does it signal groups


@contextlib.contextmanager
def stops_held_back() -> Iterator[None]:
    """Block SIGTERM and SIGINT for this thread, and for the processes it starts until they set
    their own handlers.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING) if CAN_HOLD_BACK else None
    try:
        yield
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_stops() -> None:
    """Ignore SIGTERM and SIGINT, including those blocked since the start of this process."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    if CAN_HOLD_BACK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


class Stopped(KeyboardInterrupt):
    """The training was asked to stop, and has saved its state."""


@dataclass
class StopRequest:
    """Whether this process was asked to stop; a second Ctrl-C stops at once.

    Attributes:
        made: it was.
        now: see ``at_once``.
    """

    made: bool = False
    now: bool = False

    def check(self) -> None:
        """Raise Stopped if a stop was asked for."""
        if self.made:
            raise Stopped

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """In here a stop raises Stopped where it comes, instead of waiting for a ``check``: for
        code of the user's own, which does not ask.
        """
        self.check()
        self.now = True
        try:
            yield
        finally:
            self.now = False


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Catch SIGTERM and SIGINT while training; does nothing outside the main thread.

    After a stop, a process started only for this training ignores further ones: it is about to
    exit, and its parent may forward a signal that a batch system already sent to all processes.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def remember(number: int, frame: Any) -> None:
        if request.made and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.made = True
        name = signal.Signals(number).name
        _say(f"{name}: stopping as soon as everything is saved")
        if request.now:
            raise Stopped

    caught = [n for n in STOPPING if signal.getsignal(n) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, remember) for number in caught}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_IGN if request.made and launched() else handler)


def _say(message: str) -> None:
    """Write a message on process 0, bypassing the log: a signal handler must not reenter its
    buffers.
    """
    if rank() == 0:
        with contextlib.suppress(OSError, ValueError):  # a notebook's stderr is not a file
            os.write(sys.stderr.fileno(), f"{message}\n".encode())
