"""Where FocalClick looks again (arXiv 2204.02574): the part of an image that a click changed."""

from __future__ import annotations

import numpy as np

from isegm.core.boxes import Box
from isegm.utils.regions import changed_region

THRESHOLD = 0.49  # the published code compares both probabilities and logits with it


def changed_box(
    old: np.ndarray, new: np.ndarray, at: tuple[int, int], frame: Box, expansion: float
) -> Box | None:
    """The part of the image that deserves a closer look: what the newest click changed, and a
    margin.

    If that is less than a third as high or wide as the object, it is a square around the click; if
    there was no answer before, the object. Source: ``get_focus_cropv1`` of the published code,
    including a flaw: if nothing changed at the click, everything unchanged counts as changed.

    Args:
        old, new: ``H W`` bool, the answers before and after the click.
        at: row and column of the click.
        frame: the target crop; the box is clipped to it.

    Returns:
        None if nothing is left inside the frame (the published code fails then).
    """
    y, x = at
    top, left, bottom, right = span(new)
    if old.any():
        height, width = bottom - top, right - left
        reach = 0.2 * max(height, width)
        top, left, bottom, right = span(changed_region(old, new, y, x))
        if bottom - top < height / 3 or right - left < width / 3:
            top, left, bottom, right = y - reach, x - reach, y + reach, x + reach
    rows = _expanded(top, bottom, expansion, new.shape[0], frame.top, frame.bottom)
    columns = _expanded(left, right, expansion, new.shape[1], frame.left, frame.right)
    box = Box(rows[0], columns[0], rows[1], columns[1])
    return box if box.height > 0 and box.width > 0 else None


def place_in_view(box: Box, frame: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a box in pixels of a view that shows ``frame`` at ``size``."""

    def mapped(value: int, start: int, extent: int, length: int) -> float:
        return min(max((value - start) * length / extent, 0), length)

    ys = [mapped(v, frame.top, frame.height, size[0]) for v in (box.top, box.bottom)]
    xs = [mapped(v, frame.left, frame.width, size[1]) for v in (box.left, box.right)]
    return xs[0], ys[0], xs[1], ys[1]


def span(mask: np.ndarray) -> tuple[int, int, int, int]:
    """First row, first column, last row and last column of a mask; with fewer than 10 pixels, those
    of the whole image and one beyond.
    """
    if np.count_nonzero(mask) < 10:
        return 0, 0, *mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[0]), int(columns[0]), int(rows[-1]), int(columns[-1])


def _expanded(
    first: float, last: float, ratio: float, length: int, start: int, stop: int
) -> tuple[int, int]:
    """Half-open bounds of a span scaled about its centre (rounded towards zero, as published),
    clipped to image and frame.
    """
    centre, size = 0.5 * (first + last), ratio * (last - first + 1)
    low, high = (min(max(int(centre + sign * 0.5 * size), 0), length) for sign in (-1, 1))
    return max(low, start), min(high, stop)
