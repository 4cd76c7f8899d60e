"""What every script shares: one readable line instead of a traceback for what a user can mend."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable

from isegm.core.errors import IsegmError

log = logging.getLogger("isegm")


def run(main: Callable[[], None]) -> int:
    """Call ``main`` and return an exit status: 0 done, 2 the user must change something, 130 interrupted."""
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
    try:
        main()
    except IsegmError as error:
        log.error("error: %s", error)
        return 2
    except KeyboardInterrupt:
        log.error("interrupted")
        return 130
    return 0


def formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.ArgumentDefaultsHelpFormatter(prog, width=110)
