"""What all commands share: readable errors, help, and output."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from isegm.core.errors import IsegmError
from isegm.utils.files import WRITING

# OpenCV describes damaged files on stderr without their names. It reads this when it is loaded,
# here and in all processes that this one starts. Errors of isegm name the file.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

log = logging.getLogger("isegm")
INTERRUPTED = 130  # the exit status


def run(main: Callable[[], int | None]) -> int:
    """Call ``main`` and return its exit status, 2 for an ``IsegmError``, 130 if interrupted.

    An error that the user can fix becomes one line instead of a traceback.
    """
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
    try:
        with _second_interrupt_ends():
            return main() or 0
    except IsegmError as error:
        log.error("error: %s", error)
        return 2
    except BrokenPipeError:  # the reader of our output, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in WRITING:
            raise
        where = error.filename or "the output"
        log.error(
            "error: cannot write %s: %s; free space, or write elsewhere", where, error.strerror
        )
        return 2
    except KeyboardInterrupt:
        log.error("interrupted")
        return INTERRUPTED


@contextlib.contextmanager
def _second_interrupt_ends() -> Iterator[None]:
    """The first Ctrl-C raises KeyboardInterrupt, and what is open is closed. The second ends the
    process at once, because an exception in the middle of that would end in tracebacks.
    """
    main_thread = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not main_thread or before is not signal.default_int_handler:
        yield
        return
    received = 0

    def interrupt(number: int, frame: Any) -> None:
        nonlocal received
        received += 1
        if received > 1:
            os.write(2, b"interrupted\n")
            os._exit(INTERRUPTED)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if not received:  # otherwise it stays until the process has ended
            signal.signal(signal.SIGINT, before)


def say(text: str = "", end: str = "\n") -> None:
    """Write a line of a command's result to stdout; progress is logged, to stderr."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


class Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Shows the description as it is written, and only informative defaults."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=110)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        nothing = action.default is None or action.default in (False, "", (), [])
        return action.help if nothing else super()._get_help_string(action)
