"""What all commands share: readable errors, help, and output."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable

from isegm.core.errors import IsegmError

log = logging.getLogger("isegm")


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
        return main() or 0
    except IsegmError as error:
        log.error("error: %s", error)
        return 2
    except KeyboardInterrupt:
        log.error("interrupted")
        return 130


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
