"""Connected regions of boolean masks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np


def changed_region(old: np.ndarray, new: np.ndarray, y: int, x: int) -> np.ndarray:
    """``H W`` bool: the pixels that changed together with (y, x), diagonal neighbours included.

    If (y, x) did not change: every pixel that did not change, as in FocalClick's published code.
    """
    changed = (old != new).astype(np.uint8)
    if not changed[y, x]:
        return changed == 0
    _, labels = cv2.connectedComponents(changed, connectivity=8)
    return labels == labels[y, x]


def regions_at(
    mask: np.ndarray, points: Sequence[tuple[int, int]], connectivity: int
) -> np.ndarray:
    """``H W`` bool: the regions of a mask that hold at least one of the points (row, column);
    points off the mask hold none.

    Args:
        connectivity: 4, or 8 for diagonal neighbours too.
    """
    inside = [point for point in points if mask[point]]
    if not inside:
        return np.zeros(mask.shape, bool)
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)
    held = np.zeros(count, bool)
    held[[labels[point] for point in inside]] = True
    return held[labels]


def largest_region(mask: np.ndarray) -> np.ndarray:
    """``H W`` bool: the largest region of a mask, diagonal neighbours included; empty for an empty
    mask.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    if count < 2:
        return np.zeros(mask.shape, bool)
    return labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def without_small_regions(mask: np.ndarray, least: int) -> np.ndarray:
    """``H W`` bool: a mask without its regions of fewer than ``least`` pixels; diagonal neighbours
    are not connected.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    kept = stats[:, cv2.CC_STAT_AREA] >= least
    kept[0] = False
    return kept[labels]
