"""FCA-Net's simulation of clicks: the first in the object's centre, the others apart from each other and from the border.

Source: FCA-Net (CVPR 2020), section 3.4, and its training code (there "strategy#05").

# differs from the original: the first click is one of the positive ones, as it is when the network is used; there it is drawn
# beside them. So an object always has a positive click, and nothing has to be repaired afterwards.
"""

from __future__ import annotations

import cv2
import numpy as np

from isegm.utils.depth import deepest, squared_distance_inside

MOST = 10  # clicks per sign, beside the first
BORDER, APART = (5, 10, 15, 20), (7, 10, 20)  # positives: least distance to the background, to each other
NEAREST, FURTHEST, NEGATIVES_APART = (15, 40, 60), 80, (10, 15, 25)  # negatives: to the object, to each other


def spaced_clicks(gt: np.ndarray, rng: np.random.Generator, most: int = MOST) -> tuple[np.ndarray, np.ndarray]:
    """Positive and negative clicks, ``M 2`` float64 each.

    The first positive lies where the object is deepest; 1 to ``most`` others and 0 to ``most`` negatives follow, fewer where no
    pixel is left for them. Without an object there are no clicks at all.

    Args:
        gt: ``H W``, 1 = object, 0 = background, -1 = ignored. The border of the image counts as background for positives.
    """
    mask, nothing = gt == 1, np.empty((0, 2))
    if not mask.any():
        return nothing, nothing
    border, apart = rng.choice(BORDER), rng.choice(APART)
    nearest, negatives_apart = rng.choice(NEAREST), rng.choice(NEGATIVES_APART)
    positives, negatives = int(rng.integers(1, most + 1)), int(rng.integers(most + 1))
    inner = squared_distance_inside(mask) > border**2
    outside = distance_to(mask)
    ring = (gt == 0) & (outside > nearest) & (outside < FURTHEST)
    centre = np.array([deepest(mask)[1:]], np.float64)
    return np.concatenate([centre, _drawn(inner, positives, apart, rng)]), _drawn(ring, negatives, negatives_apart, rng)


def distance_to(mask: np.ndarray) -> np.ndarray:
    """``H W`` float32: the distance in pixels to the nearest true pixel of a mask that is not empty."""
    return cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _drawn(region: np.ndarray, count: int, apart: float, rng: np.random.Generator) -> np.ndarray:
    """Up to ``count`` pixels of a region, ``M 2``, each more than ``apart`` pixels from the others."""
    y, x = np.nonzero(region)
    clicks = []
    while len(y) and len(clicks) < count:
        index = int(rng.integers(len(y)))
        clicks.append((y[index], x[index]))
        left = (y - y[index]) ** 2 + (x - x[index]) ** 2 > apart**2
        y, x = y[left], x[left]
    return np.array(clicks, np.float64).reshape(-1, 2)
