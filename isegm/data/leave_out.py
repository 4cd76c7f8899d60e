"""Pictures that must not be trained on, because an evaluation set shows them.

``leave_out.txt`` in the root of a data set names them, one file per line, with or without a picture
suffix; # starts a comment.
"""

from __future__ import annotations

from pathlib import Path

from isegm.core.errors import IsegmError
from isegm.data.reading import IMAGE_SUFFIXES

FILE = "leave_out.txt"


def left_out(root: Path) -> frozenset[str]:
    """The stems of the files that the list in a data set's root names; empty if there is no list.

    Raises:
        IsegmError: the list is not a text file.
    """
    path = root / FILE
    return listed_stems(path) if path.exists() else frozenset()


def listed_stems(path: Path) -> frozenset[str]:
    """The stems of the files that a list names.

    Raises:
        IsegmError: the list is missing or not a text file.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise IsegmError(
            f"{path} cannot be read: {error}; expected one file name per line"
        ) from None
    names = (line.partition("#")[0].strip() for line in lines)
    return frozenset(_stem(name) for name in names if name)


def _stem(name: str) -> str:
    path = Path(name)
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name
