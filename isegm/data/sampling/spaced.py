"""Spaced clicks: the first in the object's centre, the others apart from each other and from the
border.

Source: "Interactive Image Segmentation with First Click Attention" (CVPR 2020), section 3.4, and
its training code (there "strategy#05").

# differs from the original: the first click is one of the positive ones, as when the network is
used; there it is drawn in addition to them. So an object always has a positive click.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample
from isegm.data.sampling.draw import Draw, check_merging, draw_target
from isegm.utils.depth import deepest, squared_distance_inside

# Distances in pixels. Positives: the least to the background, to each other.
BORDER, APART = (5, 10, 15, 20), (7, 10, 20)
# Negatives: the least and the largest to the object, the least to each other.
NEAREST, FURTHEST, NEGATIVES_APART = (15, 40, 60), 80, (10, 15, 25)


@dataclass(frozen=True)
class Spaced:
    """Clicks at a distance from each other.

    Attributes:
        most: the most clicks per sign, not counting the first one.
        merge_prob: probability that several objects are merged into one target.
        max_merged: the most objects merged.

    Raises:
        IsegmError: a setting out of range.
    """

    most: int = 10
    merge_prob: float = 0.0
    max_merged: int = 2

    def __post_init__(self) -> None:
        if self.most < 1:
            raise IsegmError(f"most={self.most}: expected at least 1 click besides the first")
        check_merging(self.merge_prob, self.max_merged)

    def draw(self, sample: InstanceSample, rng: np.random.Generator) -> Draw:
        """Draw a target among the objects of a sample, and clicks for it; a sample without objects
        has no clicks.
        """
        if sample.objects:
            gt = draw_target(sample, self.merge_prob, self.max_merged, rng).gt
        else:
            gt = -sample.ignore_mask().astype(np.int8)
        positive, negative = spaced_clicks(gt, rng, self.most)
        return Draw.of(gt, positive, negative, self.most + 1)


def spaced_clicks(
    gt: np.ndarray, rng: np.random.Generator, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positive and negative clicks, ``M 2`` float64 each.

    The first positive lies where the object is deepest; 1 to ``most`` others and 0 to ``most``
    negatives follow, fewer if no pixel is left for them. Without an object there are no clicks.

    Args:
        gt: ``H W``, 1 = object, 0 = background, -1 = ignored. The border of the image counts as
            background for positives.
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
    others = _drawn(inner, positives, apart, rng)
    return np.concatenate([centre, others]), _drawn(ring, negatives, negatives_apart, rng)


def distance_to(mask: np.ndarray) -> np.ndarray:
    """``H W`` float32: the distance in pixels to the nearest true pixel of a non-empty mask."""
    return cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _drawn(region: np.ndarray, count: int, apart: float, rng: np.random.Generator) -> np.ndarray:
    """Up to ``count`` pixels of a region, ``M 2``, each more than ``apart`` pixels from the
    others.
    """
    y, x = np.nonzero(region)
    clicks = []
    while len(y) and len(clicks) < count:
        index = int(rng.integers(len(y)))
        clicks.append((y[index], x[index]))
        left = (y - y[index]) ** 2 + (x - x[index]) ** 2 > apart**2
        y, x = y[left], x[left]
    return np.array(clicks, np.float64).reshape(-1, 2)
