"""Where an answer is wrong, piece by piece: what the simulated users choose their clicks from.

An error pixel is one of the object that the mask lacks, or one of the background that it holds.
Ignored pixels are no error, nor are those already clicked. Pieces are 8-connected and never mix
both kinds.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from isegm.core.clicks import Click
from isegm.evaluation.users.base import Look
from isegm.utils.depth import squared_distance_inside

NOTHING_WRONG = Click(0, 0, False)  # what the published user clicks without any error


@dataclass(frozen=True, eq=False)
class Region:
    """A connected piece of an error.

    Attributes:
        top, left: the upper left corner of its bounding box, in image pixels.
        pixels: ``h w`` bool, the piece inside its box.
        positive: the object is missing here, so a click is positive.
    """

    top: int
    left: int
    pixels: np.ndarray
    positive: bool

    @property
    def squared_depth(self) -> np.ndarray:
        """``h w`` float32: the squared distance to the outside; the image border is outside."""
        return squared_distance_inside(self.pixels)

    def drawn(
        self, rng: np.random.Generator, count: int = 1, among: np.ndarray | None = None
    ) -> list[Click]:
        """Different pixels, all equally likely; fewer than ``count`` if there are no more.

        Args:
            among: ``h w`` bool, the pixels to draw from (default: all of the piece).
        """
        places = np.argwhere(self.pixels if among is None else among)
        chosen = rng.choice(len(places), min(count, len(places)), replace=False)
        return [self._click(*places[i]) for i in chosen]

    def centre(self) -> Click:
        """The deepest pixel, the first in row order among equals."""
        depth = self.squared_depth
        return self._click(*np.unravel_index(int(depth.argmax()), depth.shape))

    def _click(self, y: int, x: int) -> Click:
        return Click(self.top + int(y), self.left + int(x), self.positive)


def errors(look: Look) -> tuple[np.ndarray, np.ndarray]:
    """``H W`` bool each: what the mask lacks of the object, and what it holds of the background."""
    missing, extra = (look.gt == 1) & ~look.mask, (look.gt == 0) & look.mask
    for click in look.clicks:
        missing[int(click.y), int(click.x)] = extra[int(click.y), int(click.x)] = False
    return missing, extra


def largest(look: Look) -> Region | None:
    """The error piece with the most pixels; None without any error.

    Among equals a piece of background, and then the first in row order.
    """
    return _extreme(look, 1, -1)


def smallest(look: Look, least: int) -> Region | None:
    """The error piece with the fewest pixels among those of at least ``least``, ties as in
    ``largest``; the largest piece if all are smaller. None without any error.
    """
    return _extreme(look, least, 1) or largest(look)


def around(look: Look, click: Click) -> Region | None:
    """The error piece that a click lies in; None if it lies in none."""
    missing, extra = errors(look)
    error = missing if click.positive else extra
    y, x = int(click.y), int(click.x)
    if not error[y, x]:
        return None
    _, labels, stats, _ = cv2.connectedComponentsWithStats(error.view(np.uint8), connectivity=8)
    return _region(labels, stats, int(labels[y, x]), click.positive)


def _extreme(look: Look, least: int, sign: int) -> Region | None:
    """The piece with the smallest ``sign * area`` among those of ``least`` pixels and more."""
    best: tuple[tuple[int, bool, int], Region] | None = None
    for error, positive in zip(errors(look), (True, False), strict=True):
        _, labels, stats, _ = cv2.connectedComponentsWithStats(error.view(np.uint8), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        if not (areas >= least).any():
            continue
        rated = np.where(areas >= least, sign * areas, np.iinfo(areas.dtype).max)
        for label in np.flatnonzero(rated == rated.min()) + 1:
            region = _region(labels, stats, int(label), positive)
            first = region.top * labels.shape[1] + region.left + int(region.pixels[0].argmax())
            key = (sign * int(areas[label - 1]), positive, first)
            if best is None or key < best[0]:
                best = key, region
    return best[1] if best else None


def _region(labels: np.ndarray, stats: np.ndarray, label: int, positive: bool) -> Region:
    left, top, width, height = (int(v) for v in stats[label, : cv2.CC_STAT_AREA])
    return Region(top, left, labels[top : top + height, left : left + width] == label, positive)
