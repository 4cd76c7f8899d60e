"""The parts of a workspace: the image, finished objects, and the current object."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.masks import PackedMask
from isegm.core.rounds import Session
from isegm.inference.session_file import RecordedObject


@dataclass(frozen=True)
class Picture:
    """An image, encoded as ``data`` and decoded as ``pixels``, ``H W 3`` uint8 RGB.

    The pixels are stored plane by plane, as networks take them, so that sessions share them.
    """

    name: str
    data: bytes
    pixels: np.ndarray

    def __post_init__(self) -> None:
        planes = np.ascontiguousarray(self.pixels.transpose(2, 0, 1))
        object.__setattr__(self, "pixels", planes.transpose(1, 2, 0))

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[:2]


@dataclass(frozen=True)
class Finished:
    """A finished object; ``number`` is unique in its workspace and gives the colour."""

    number: int
    recorded: RecordedObject


class Cancelled(IsegmError):
    """The user canceled a request."""


@dataclass
class Job:
    """Clicks being answered; can be read and canceled without the lock of the session."""

    done: int = 0
    total: int = 0
    cancelled: bool = False


@dataclass
class Current:
    """The current object.

    Attributes:
        start: the initial mask.
        place: its index among the finished objects if it was one of them; None: it comes last.
        clicks: all clicks, including undone ones.
        shown: the number of clicks that count; the others are for redo.
        answers: sessions by their number of clicks, as far as they are kept.
    """

    number: int
    start: PackedMask | None = None
    place: int | None = None
    clicks: list[Click] = field(default_factory=list)
    shown: int = 0
    answers: dict[int, Session] = field(default_factory=dict)
