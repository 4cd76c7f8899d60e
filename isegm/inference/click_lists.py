"""Answers to lists of clicks, for tools that send all clicks of an object with every request.

Such a tool has no session. If each list were answered in one go, the network would never see its
own previous mask, which is the feedback that these networks are trained to correct. Here a list is
answered click by click, and the sessions of earlier lists are kept, so that usually only the newest
click is computed.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Session, storages
from isegm.inference.session_file import MAX_CLICKS, pixels_sha256
from isegm.inference.settings import Answering

FEWEST_KEPT = 2  # sessions of an image, whatever its size


@dataclass(frozen=True)
class Keeping:
    """What is kept between requests.

    Attributes:
        images: at most this many.
        image_bytes: of the sessions of one image.
        idle_seconds: after which an image is dropped.
    """

    images: int = 16
    image_bytes: int = 256 << 20
    idle_seconds: float = 1800


@dataclass
class Known:
    """An image with the sessions that are kept, the most recently used last."""

    pixels: np.ndarray
    used: float
    sessions: OrderedDict[tuple[Click, ...], Session] = field(default_factory=OrderedDict)


class ClickLists:
    """Answers lists of clicks. An answer follows from the image and the list alone; what is kept
    only saves time. Threads can share it.

    Args:
        turn: held while the network answers one click.
    """

    def __init__(
        self,
        answering: Answering,
        keeping: Keeping | None = None,
        turn: Callable[[], AbstractContextManager] = nullcontext,
    ) -> None:
        self.answering, self.keeping = answering, keeping or Keeping()
        self._predictor = answering.predictor(answering.defaults)
        self._turn, self._lock = turn, threading.Lock()
        self._images: OrderedDict[str, Known] = OrderedDict()

    def open(self, pixels: np.ndarray) -> str:
        """The key of an image, ``H W 3`` uint8 RGB. The same pixels have the same key."""
        key = pixels_sha256(pixels)
        with self._lock:
            self._drop_idle()
            known = self._images.setdefault(key, Known(pixels, 0.0))
            known.used = time.monotonic()
            self._images.move_to_end(key)
            while len(self._images) > self.keeping.images:
                self._images.popitem(last=False)
        return key

    def answer(
        self, pixels: np.ndarray, clicks: Sequence[Click], threshold: float | None = None
    ) -> np.ndarray:
        """The mask after the clicks, made in this order: ``H W`` bool. No clicks, no object.

        Args:
            pixels: ``H W 3`` uint8 RGB.
            threshold: of the probability; by default that of the settings.

        Raises:
            IsegmError: too many clicks, one outside the image, or a threshold outside [0, 1].
        """
        settings = self.answering.defaults
        if threshold is not None:
            settings = settings | {"threshold": _probability(threshold)}
        if len(clicks) > MAX_CLICKS:
            raise IsegmError(
                f"{len(clicks)} clicks on one object; at most {MAX_CLICKS} are answered, so finish"
                " the object or start it again"
            )
        return self.answering.shown(self._session(self.open(pixels), pixels, clicks), settings)[1]

    def in_order(
        self, pixels: np.ndarray, positive: Sequence[Click], negative: Sequence[Click]
    ) -> list[Click]:
        """One list out of two, for tools that send the clicks sorted by their sign.

        Clicks that were answered before keep the order in which they came; new ones follow, those
        on the object first.
        """
        left = Counter([*positive, *negative])
        order = []
        for click in self._most_similar(self.open(pixels), left):
            if left[click]:
                left[click] -= 1
                order.append(click)
        for click in (*positive, *negative):
            if left[click]:
                left[click] -= 1
                order.append(click)
        return order

    def _most_similar(self, key: str, clicks: Counter[Click]) -> tuple[Click, ...]:
        """The kept list that shares most clicks; of several the one used last."""
        with self._lock:
            known = self._images.get(key)
            lists = list(known.sessions) if known else []
        return max(reversed(lists), key=lambda kept: (Counter(kept) & clicks).total(), default=())

    def _session(self, key: str, pixels: np.ndarray, clicks: Sequence[Click]) -> Session:
        clicks = tuple(clicks)
        session = self._longest(key, clicks) or self._predictor.start(pixels)
        for click in clicks[len(session.clicks) :]:
            with self._turn():
                session = self._predictor.click(session, click)
            self._keep(key, session)
        return session

    def _longest(self, key: str, clicks: tuple[Click, ...]) -> Session | None:
        """The kept session with the most of the first clicks."""
        with self._lock:
            known = self._images.get(key)
            for count in range(len(clicks), 0, -1):
                if known and clicks[:count] in known.sessions:
                    known.sessions.move_to_end(clicks[:count])
                    return known.sessions[clicks[:count]]
        return None

    def _keep(self, key: str, session: Session) -> None:
        with self._lock:
            known = self._images.get(key)
            if known is None:  # dropped while the network worked
                return
            sessions, held = known.sessions, {}
            sessions[session.clicks] = session
            for rank, clicks in enumerate(list(reversed(sessions))):
                held |= storages(sessions[clicks])
                if rank >= FEWEST_KEPT and sum(held.values()) > self.keeping.image_bytes:
                    del sessions[clicks]

    def _drop_idle(self) -> None:
        oldest = time.monotonic() - self.keeping.idle_seconds
        for key in [key for key, known in self._images.items() if known.used < oldest]:
            del self._images[key]


def click_at(x: Any, y: Any, positive: bool, size: tuple[int, int]) -> Click:
    """The click of a tool that measures from the corner of the first pixel: the pixel that holds
    the point. Points on the right and bottom border belong to the last pixel.

    Args:
        x, y: column and row, as they came.
        size: rows and columns of the image.

    Raises:
        IsegmError: not two finite numbers, or outside the image.
    """
    if not all(_finite(value) for value in (x, y)):
        raise IsegmError(f"point ({_short(x)}, {_short(y)}): expected two numbers, x and y")
    if not (0 <= x <= size[1] and 0 <= y <= size[0]):
        raise IsegmError(
            f"point ({x:g}, {y:g}) lies outside the image of {size[1]} columns (x) and"
            f" {size[0]} rows (y)"
        )
    row, column = min(math.floor(y), size[0] - 1), min(math.floor(x), size[1] - 1)
    return Click(float(row), float(column), positive)


def _finite(value: Any) -> bool:
    try:
        return isinstance(value, Real) and type(value) is not bool and math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def _probability(threshold: Any) -> float:
    if not isinstance(threshold, Real) or not 0 <= threshold <= 1:
        raise IsegmError(f"threshold {_short(threshold)}: expected a probability from 0 to 1")
    return float(threshold)


def _short(value: Any) -> str:
    return f"{value!r:.60}"
