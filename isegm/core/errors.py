"""The one error a user is meant to read: what came, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST_NAME = (
    300  # of a name that may come from a stranger: it is compared with others, and repeated to them
)


class IsegmError(Exception):
    """Something a user can cause and can mend. Scripts print its message and no traceback."""


def unknown(kind: str, name: str, known: Iterable[str]) -> IsegmError:
    """An error for a name that does not exist, listing the nearest names that do.

    Args:
        kind: what was looked up, e.g. ``"dataset"``.
        name: the name that was given.
        known: every name that would have been accepted.
    """
    known, name = sorted(known), str(name)[:LONGEST_NAME]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
    return IsegmError(f"unknown {kind} {name!r}; {hint}")
