"""Judging masks against one object's ground truth: IoU, boundary IoU, and the shape of the object.

Boundary IoU: Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation"
(CVPR 2021, arXiv 2103.16562), with the band of its published code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from isegm.core.samples import IGNORE

BAND = 0.02  # width of the boundary band in diagonals of the image
SPECK = 0.01  # of the object's area: smaller regions are no part of it
Window = tuple[slice, slice]


@dataclass(frozen=True)
class ObjectShape:
    """What kind of object a ground truth shows; ignored pixels do not count.

    Attributes:
        area: share of the image that it covers, in (0, 1].
        thinness: 1 minus the share of its area that the largest disk inside it covers, in [0, 1]:
            0 for a disk, 0.2 for a square, near 1 for a wire, for branches, and for many parts.
        parts: its regions of at least 1 % of its area, diagonal neighbors being connected.
    """

    area: float
    thinness: float
    parts: int


class Judge:
    """One ground truth, prepared once to judge every mask of a session.

    It keeps its boundary band, cut to the object, and no other copy of the pixels.

    Args:
        gt: ``H W`` int8, 1 = object, 0 = background, -1 = ignored.
    """

    def __init__(self, gt: np.ndarray) -> None:
        object_ = gt == 1
        self.gt, self.area = gt, int(np.count_nonzero(object_))
        self.width = band_width(gt.shape)
        self.ignores = bool((gt == IGNORE).any())
        # With ignored pixels the band depends on the mask: see boundary_iou.
        self._band = None if self.ignores else band(object_, self.width)

    def iou(self, mask: np.ndarray) -> float:
        """As ``metrics.mask_iou``, bit for bit."""
        shared = int(np.count_nonzero(mask & (self.gt == 1)))
        counted = mask & (self.gt != IGNORE) if self.ignores else mask
        union = self.area + int(np.count_nonzero(counted)) - shared
        return shared / union if union else 1.0

    def boundary_iou(self, mask: np.ndarray) -> float:
        """IoU of the two boundary bands, from 0 to 1; 1 if both are empty.

        Where the truth is unknown, the mask is taken to be right, and these pixels are not counted.
        So a mask that is right wherever the truth is known scores 1, no matter where its outline
        runs within a strip of ignored pixels. The published code has no ignored pixels.

        Args:
            mask: ``H W`` bool.
        """
        truth = self._band or band((self.gt == 1) | (mask & (self.gt == IGNORE)), self.width)
        answer = band(mask, self.width)
        hull = _hull(truth[0], answer[0])
        if hull is None:
            return 1.0
        first, second = _within(hull, *truth), _within(hull, *answer)
        shared, union = first & second, first | second
        if self.ignores:
            known = self.gt[hull] != IGNORE
            shared, union = shared & known, union & known
        total = int(np.count_nonzero(union))
        return int(np.count_nonzero(shared)) / total if total else 1.0

    def shape(self) -> ObjectShape:
        """The shape of the object; the ground truth must have an object pixel."""
        object_ = self.gt == 1
        window = _window(object_)
        padded = np.pad(object_[window].astype(np.uint8), 1)
        # Within 2 % of the exact distance, and several times as fast.
        radius = float(cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_5).max())
        thinness = max(0.0, 1 - math.pi * radius**2 / self.area)
        _, _, found, _ = cv2.connectedComponentsWithStats(padded, connectivity=8)
        parts = int((found[1:, cv2.CC_STAT_AREA] >= SPECK * self.area).sum())
        return ObjectShape(round(self.area / object_.size, 6), round(thinness, 4), max(1, parts))


def band_width(size: tuple[int, int]) -> int:
    """How many pixels deep the boundary band of an image of (rows, columns) is, at least 1."""
    return max(1, round(BAND * math.hypot(*size)))


def band(mask: np.ndarray, width: int) -> tuple[Window | None, np.ndarray]:
    """The pixels of a mask that ``width`` erosions by 3 x 3 take away, the image border counting as
    background: (where its box is, ``h w`` bool inside the box); (None, nothing) of an empty mask.

    Eroding the box is exact, since all pixels outside of it are background; and ``width`` erosions
    by 3 x 3 are one by a square of 2 * width + 1.
    """
    window = _window(mask)
    if window is None:
        return None, np.zeros((0, 0), bool)
    part = mask[window].astype(np.uint8)
    square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    inside = cv2.erode(part, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return window, part != inside


def _window(mask: np.ndarray) -> Window | None:
    rows = np.flatnonzero(mask.any(1))
    if not len(rows):
        return None
    cols = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def _hull(a: Window | None, b: Window | None) -> Window | None:
    if a is None or b is None:
        return a or b
    return tuple(
        slice(min(p.start, q.start), max(p.stop, q.stop)) for p, q in zip(a, b, strict=True)
    )


def _within(hull: Window, window: Window | None, part: np.ndarray) -> np.ndarray:
    """A band laid into the box ``hull``, which holds its own."""
    if window == hull:
        return part
    out = np.zeros([side.stop - side.start for side in hull], bool)
    if window is not None:
        inner = [
            slice(w.start - h.start, w.stop - h.start) for w, h in zip(window, hull, strict=True)
        ]
        out[tuple(inner)] = part
    return out
