"""What the classical methods share: clicks become seeds, and there is nothing to learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
import torch

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.parts import Family
from isegm.foreign.base import Adapter, Answered, Asked, logits_of

METHODS = Family("classical method", "isegm.foreign.classical", "METHOD", "method")
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Seeds:
    """Pixels that the user has labelled.

    Attributes:
        label: ``H W`` int8: 1 = object, 0 = background, -1 = not known.
        negative: whether a negative click was made.
    """

    label: np.ndarray
    negative: bool

    @property
    def on(self) -> np.ndarray:
        return self.label == 1

    @property
    def off(self) -> np.ndarray:
        return self.label == 0

    def with_border(self) -> Seeds:
        """Until the first negative click, the image's border stands for the background, except for
        pixels that are seeds.
        """
        if self.negative:
            return self
        label = self.label.copy()
        for edge in (label[0], label[-1], label[:, 0], label[:, -1]):
            edge[edge == UNKNOWN] = 0
        return Seeds(label, self.negative)


def seeds_of(clicks: Sequence[Click], size: tuple[int, int], radius: float) -> Seeds:
    """Disks around clicks. Later clicks win, but the pixel of a click keeps its label.

    Args:
        radius: in pixels; 0 marks one pixel.
    """
    label = np.full(size, UNKNOWN, np.int8)
    centres = [(_inside(c.y, size[0]), _inside(c.x, size[1])) for c in clicks]
    reach = int(radius)
    for (row, column), click in zip(centres, clicks, strict=True):
        top, left = max(0, row - reach), max(0, column - reach)
        rows = np.arange(top, min(size[0], row + reach + 1))[:, None]
        columns = np.arange(left, min(size[1], column + reach + 1))[None]
        disk = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        part = label[top : top + disk.shape[0], left : left + disk.shape[1]]
        part[disk] = int(click.positive)
    for (row, column), click in zip(centres, clicks, strict=True):
        label[row, column] = int(click.positive)
    return Seeds(label, any(not click.positive for click in clicks))


class Classical(Adapter):
    """A frozen dataclass whose fields are the settings. A method writes ``prepared``, if something
    of the image can be computed once, and ``segmented``.

    Attributes:
        radius: of seeds, in pixels of the image.
        max_side: images with a longer side are reduced to it, and their answers enlarged again;
            None: no limit.
    """

    radius: float
    max_side: int | None

    @property
    def notes(self) -> tuple[str, ...]:
        """Every setting: none of them is in a checkpoint."""
        return tuple(f"{f.name}={getattr(self, f.name)}" for f in fields(self))

    def prepared(self, image: np.ndarray) -> Any:
        """What ``segmented`` needs of an image, ``h w 3`` uint8 RGB."""
        return image

    def segmented(self, prepared: Any, seeds: Seeds, previous: np.ndarray) -> np.ndarray:
        """The probability ``h w``.

        Args:
            seeds: at least one object seed, and at least one pixel that is no seed.
            previous: ``h w`` in [0, 1], the last answer; zeros before the first.
        """
        raise NotImplementedError

    def encode(self, image: np.ndarray) -> Any:
        scale = self._scale(image.shape[:2])
        return self.prepared(resized(image, _scaled(image.shape[:2], scale)))

    def answer(self, asked: Sequence[Asked]) -> list[Answered]:
        return [Answered(logits_of(torch.from_numpy(self._prob(each)))) for each in asked]

    def _prob(self, asked: Asked) -> np.ndarray:
        scale = self._scale(asked.size)
        small = _scaled(asked.size, scale)
        moved = [
            Click((c.y + 0.5) * scale - 0.5, (c.x + 0.5) * scale - 0.5, c.positive)
            for c in asked.clicks
        ]
        seeds = seeds_of(moved, small, self.radius * scale)
        if not seeds.on.any() or (seeds.label != UNKNOWN).all():
            prob = seeds.on.astype(np.float32)
        else:
            previous = resized(asked.prob.cpu().numpy(), small)
            prob = self.segmented(asked.encoding, seeds, previous).astype(np.float32)
        return resized(prob, asked.size)

    def _scale(self, size: tuple[int, int]) -> float:
        longer = max(size)
        return 1.0 if self.max_side is None else min(1.0, self.max_side / longer)


def check_positive(method: str, **values: float | None) -> None:
    """Raise unless all values are numbers above 0; None is not checked."""
    for name, value in values.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is not None and not (number and value > 0):
            raise IsegmError(f"{method}: {name} is {value!r:.60}; expected a number above 0")


def resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``H W`` or ``H W C`` at another size: averaged when reduced, bilinear when enlarged."""
    if values.shape[:2] == tuple(size):
        return values
    way = cv2.INTER_AREA if size[0] <= values.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(values, (size[1], size[0]), interpolation=way)


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return tuple(max(1, round(side * scale)) for side in size)


def _inside(place: float, length: int) -> int:
    return min(max(0, round(place)), length - 1)
