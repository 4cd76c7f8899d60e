"""SIGTERM and Ctrl-C as a request to finish the step, save and leave."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("isegm")


class Stopped(KeyboardInterrupt):
    """The training was asked to stop, and has saved its state."""


@dataclass
class StopRequest:
    """Whether this process was asked to stop; a second Ctrl-C stops at once."""

    made: bool = False


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Catch SIGTERM and SIGINT while training; outside the main thread signals stay as they are."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def remember(number: int, frame: Any) -> None:
        if request.made and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.made = True
        log.info("%s: finishing this step and saving", signal.Signals(number).name)

    caught = [n for n in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(n) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, remember) for number in caught}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
