"""Pictures that must not be trained on, because an evaluation set shows them: one name per line in ``leave_out.txt``."""

from __future__ import annotations

from pathlib import Path

FILE = "leave_out.txt"


def left_out(root: Path) -> frozenset[str]:
    """The stems that the file in a data set's root lists; empty if there is none. What follows a # is a comment."""
    path = root / FILE
    if not path.exists():
        return frozenset()
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return frozenset(Path(line).stem for line in lines if line)
