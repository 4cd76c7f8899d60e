"""The one error meant for users: what came, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST_NAME = 300  # of untrusted names, which are compared with others and shown again


class IsegmError(Exception):
    """An error that a user can cause and fix. Scripts print its message and no traceback."""


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
