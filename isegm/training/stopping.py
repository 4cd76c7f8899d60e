"""SIGTERM and Ctrl-C as a request to finish the step, save and leave."""

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
CAN_HOLD_BACK = (
    sys.platform != "win32"
)  # Windows has no signal masks, and does not signal process groups either


@contextlib.contextmanager
def stops_held_back() -> Iterator[None]:
    """Hold SIGTERM and SIGINT back from this thread and from the processes it starts, until they
    say what to do about them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING) if CAN_HOLD_BACK else None
    try:
        yield
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_stops() -> None:
    """Ignore SIGTERM and SIGINT, those held back since the start of this process too."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    if CAN_HOLD_BACK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


class Stopped(KeyboardInterrupt):
    """The training was asked to stop, and has saved its state."""


@dataclass
class StopRequest:
    """Whether this process was asked to stop; a second Ctrl-C stops at once."""

    made: bool = False


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Catch SIGTERM and SIGINT while training; outside the main thread signals stay as they are.

    A process that was started for this training alone ignores them afterwards if it was stopped: it
    is about to leave, and the one that started it may pass on what a batch system sent to all of
    them already.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def remember(number: int, frame: Any) -> None:
        if request.made and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.made = True
        _say(f"{signal.Signals(number).name}: finishing this step and saving")

    caught = [n for n in STOPPING if signal.getsignal(n) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, remember) for number in caught}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_IGN if request.made and launched() else handler)


def _say(message: str) -> None:
    """On process 0, past the log and its buffers: a signal may come while they are being written
    to, which Python forbids.
    """
    if rank() == 0:
        with contextlib.suppress(OSError, ValueError):  # a notebook's stderr is no file
            os.write(sys.stderr.fileno(), f"{message}\n".encode())
