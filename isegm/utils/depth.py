"""How deep pixels lie inside a region, and which lies deepest."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from isegm.core.clicks import Click


def deepest(error: np.ndarray, clicked: Sequence[Click] = ()) -> tuple[int, int, int]:
    """The pixel of ``error`` (``H W`` bool) deepest inside it: (squared distance, row, column);
    zeros if there is none.

    Pixels already clicked are never the deepest; among equals it is the first in row order.

    The distance transform runs on the bounding box of the error with a rim of one pixel. That is
    exact: the rim holds no error, and every path from an error pixel to the outside crosses it.
    """
    rows = np.flatnonzero(error.any(1))
    if not len(rows):
        return 0, 0, 0
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    cols = np.flatnonzero(error[top:bottom].any(0))
    left, right = int(cols[0]), int(cols[-1]) + 1
    depth = squared_distance_inside(error[top:bottom, left:right])
    for click in clicked:
        y, x = int(click.y) - top, int(click.x) - left
        if 0 <= y < depth.shape[0] and 0 <= x < depth.shape[1]:
            depth[y, x] = 0
    y, x = divmod(int(depth.argmax()), depth.shape[1])
    if depth[y, x] == 0:  # every error pixel has been clicked
        return 0, 0, 0
    return int(depth[y, x]), top + y, left + x


def squared_distance_inside(mask: np.ndarray) -> np.ndarray:
    """``H W`` float32 integers: squared distance of every true pixel to the nearest false one;
    pixels outside count as false.

    Squared distances are whole numbers, and rounding to them matters: in some builds of OpenCV the
    last bit of a square root depends on its position in the array, which would decide ties.
    """
    padded = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.uint8)
    padded[1:-1, 1:-1] = mask
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.rint(depth * depth)
