"""What a workspace is made of: the image, finished objects, the object in work."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Session
from isegm.inference.session_file import RecordedObject


@dataclass(frozen=True)
class Picture:
    """An image as it came and decoded: ``pixels`` is ``H W 3`` uint8 RGB."""

    name: str
    data: bytes
    pixels: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[:2]


@dataclass(frozen=True)
class Finished:
    """A finished object; ``number`` is unique in its workspace and gives the colour."""

    number: int
    recorded: RecordedObject


class Cancelled(IsegmError):
    """Somebody did not want to wait for an answer."""


@dataclass
class Progress:
    """Clicks being answered: read, and cancelled, without the lock of the session."""

    done: int = 0
    total: int = 0
    cancelled: bool = False


@dataclass
class Current:
    """The object in work.

    Attributes:
        place: where it stood among the finished ones if it was one of them; None: it comes last.
        clicks: all that were made, those taken back included.
        shown: how many of them count; what follows is for redo.
        answers: the session after so many clicks, as far as it is kept.
    """

    number: int
    start: np.ndarray | None = None
    place: int | None = None
    clicks: list[Click] = field(default_factory=list)
    shown: int = 0
    answers: dict[int, Session] = field(default_factory=dict)
