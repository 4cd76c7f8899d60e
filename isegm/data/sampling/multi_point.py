"""The multi-point sampler: a random number of clicks on the target and off it.

Source: arXiv 2102.06583, section 3, and the training scripts published with it.

# differs from the original: pixels whose truth is unknown (-1) are neither object nor background
here, so no click falls on them. The original casts -1 to 255 and places positive clicks there.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from isegm.core.errors import IsegmError
from isegm.core.samples import IGNORE, InstanceSample
from isegm.data.sampling.draw import Draw, Target, check_merging, draw_target, softened

# The centre of an object is where the distance to its border exceeds its maximum divided by this.
CENTER_DEPTH = 1.7


@dataclass(frozen=True)
class MultiPoint:
    """Clicks on a target and around it. The defaults are those of the original class; experiments
    set their own.

    Attributes:
        max_clicks: N, the most clicks per sign.
        gamma: P(m positive) ~ gamma^(m-1) for m = 1..N, P(m negative) ~ gamma^m for m = 0..N. At 0,
            every object of the target gets one click, and nothing else does.
        merge_prob: probability that several objects are merged into one target.
        max_merged: the most objects merged.
        erode_prob: probability that positives keep away from the border.
        erode_iters: how far: this many 3x3 erosions.
        border_ratio: width of the border strip for negatives, in units of the square root of the
            object's area.
        negative_probs: that a negative falls on (any background, another object, the border strip).
        soft_targets: smooth the target's edges with a 3x3 binomial filter.
            # differs from the original: there, soft edges come from linear resampling of the mask
            in the augmentation.
        first_click_center: the first positive lies in the centre of the object, away from its
            border.

    Raises:
        IsegmError: ``max_clicks`` below 1, or a probability out of range.
    """

    max_clicks: int = 12
    gamma: float = 0.7
    merge_prob: float = 0.0
    max_merged: int = 2
    erode_prob: float = 0.9
    erode_iters: int = 3
    border_ratio: float = 0.1
    negative_probs: Sequence[float] = (0.1, 0.4, 0.5)
    soft_targets: bool = False
    first_click_center: bool = False

    def __post_init__(self) -> None:
        if self.max_clicks < 1 or not 0 <= self.gamma <= 1:
            raise IsegmError(
                f"expected max_clicks >= 1 and 0 <= gamma <= 1, got {self.max_clicks} and"
                f" {self.gamma}"
            )
        check_merging(self.merge_prob, self.max_merged)
        probs = self.negative_probs
        if len(probs) != 3 or abs(sum(probs) - 1) > 1e-6 or min(probs) < 0:
            raise IsegmError(
                f"negative_probs must be three probabilities that sum to 1, got {probs}"
            )

    def draw(self, sample: InstanceSample, rng: np.random.Generator) -> Draw:
        """Draw a target among the objects of a sample, and clicks for it.

        A sample without objects gives an empty target, no positive clicks, and negatives from
        everywhere.
        """
        ignored = sample.ignore_mask()
        if sample.objects:
            target = draw_target(sample, self.merge_prob, self.max_merged, rng)
            groups = [
                _Group([(_eroded_at_random(mask & ~ignored, self, rng), 1.0)], True)
                for mask in target.objects
            ]
            positive = _clicks(groups, self, rng, center=self.first_click_center)
            elsewhere = _negative_mixture(sample, target, ignored, self)
        else:
            gt = np.zeros(ignored.shape, np.int8)
            gt[ignored] = IGNORE
            target, positive = Target(gt, []), np.empty((0, 2))
            elsewhere = [(lambda: ~ignored, 1.0)]
        negative = _clicks([_Group(elsewhere, False)], self, rng, center=False)
        drawn = Draw.of(target.gt, positive, negative, self.max_clicks)
        if self.soft_targets:
            drawn = dataclasses.replace(drawn, target=softened(drawn.target))
        return drawn


Region = Callable[[], np.ndarray]  # H W bool, computed when first needed
Mixture = Sequence[tuple[Region, float]]  # regions and their probabilities


@dataclass(frozen=True)
class _Group:
    """Regions that share clicks; ``at_least_one`` selects the distribution of their number."""

    mixture: Mixture
    at_least_one: bool


def count_probs(config: MultiPoint, at_least_one: bool) -> np.ndarray:
    """The probabilities of 1..N clicks (N values), or of 0..N clicks (N + 1 values)."""
    weights = config.gamma ** np.arange(config.max_clicks + (not at_least_one))
    return weights / weights.sum()


# --- regions ---


def _eroded_at_random(mask: np.ndarray, config: MultiPoint, rng: np.random.Generator) -> Region:
    """The mask, or with probability ``erode_prob`` the eroded mask if it keeps more than 10
    pixels.
    """
    if rng.random() >= config.erode_prob or config.erode_iters < 1 or not mask.any():
        return lambda: mask
    rows, cols = _window(mask, config.erode_iters)
    part = cv2.erode(
        mask[rows, cols].view(np.uint8), np.ones((3, 3), np.uint8), iterations=config.erode_iters
    )
    if cv2.countNonZero(part) <= 10:
        return lambda: mask
    eroded = np.zeros_like(mask)
    eroded[rows, cols] = part
    return lambda: eroded


def _negative_mixture(
    sample: InstanceSample, target: Target, ignored: np.ndarray, config: MultiPoint
) -> Mixture:
    gt = target.gt == 1

    @functools.cache
    def background() -> np.ndarray:
        return ~(gt | ignored)

    @functools.cache
    def other() -> np.ndarray:
        if len(sample.objects) <= len(target.objects):
            return background()
        # Layer by layer: any() along such a short axis takes ten times as long.
        labelled = functools.reduce(np.logical_or, np.moveaxis(sample.layers, 2, 0), False)
        return labelled & background()

    @functools.cache
    def border() -> np.ndarray:
        strip = np.zeros_like(gt)
        if gt.any():
            width = math.ceil(config.border_ratio * math.sqrt(np.count_nonzero(gt)))
            rows, cols = _window(gt, width)
            strip[rows, cols] = cv2.dilate(
                gt[rows, cols].view(np.uint8), np.ones((3, 3), np.uint8), iterations=width
            )
        return strip & background()

    return list(zip((background, other, border), config.negative_probs, strict=True))


def _window(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Slices of the bounding box of a non-empty mask, widened by a margin and cut to the image.

    Erosion and dilation by up to ``margin`` pixels inside the window equal those on the whole
    image.
    """
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    rows = slice(max(0, top - margin), min(mask.shape[0], top + height + margin))
    return rows, slice(max(0, left - margin), min(mask.shape[1], left + width + margin))


# --- clicks ---


def _clicks(
    groups: Sequence[_Group], config: MultiPoint, rng: np.random.Generator, center: bool
) -> np.ndarray:
    """At most N clicks, ``M 2``. A single group gets its own; of several, each gets one click and
    all share the others.
    """
    each = [_group_clicks(group, config, rng, center) for group in groups]
    each = [clicks for clicks in each if len(clicks)]
    if len(each) <= 1:
        return each[0] if each else np.empty((0, 2))
    first = np.concatenate([clicks[:1] for clicks in each])
    pooled = [
        (region, weight / len(groups)) for group in groups for region, weight in group.mixture
    ]
    extra = _group_clicks(_Group(pooled, False), config, rng, center=False)
    room = max(0, config.max_clicks - len(first))
    if len(extra) > room:
        extra = extra[rng.choice(len(extra), room, replace=False)]
    return np.concatenate([first[: config.max_clicks], extra])


def _group_clicks(
    group: _Group, config: MultiPoint, rng: np.random.Generator, center: bool
) -> np.ndarray:
    """``M 2``: a random number of clicks, each in a region drawn from the mixture; empty regions
    get none.
    """
    probs = count_probs(config, group.at_least_one)
    count = int(rng.choice(len(probs), p=probs)) + group.at_least_one
    first = _center_click(group.mixture[0][0](), rng) if center and count else np.empty((0, 2))
    count -= len(first)
    which = rng.choice(len(group.mixture), count, p=[weight for _, weight in group.mixture])
    yx = np.full((count, 2), np.nan)
    for index in np.unique(which):
        slots = np.flatnonzero(which == index)
        mask = group.mixture[index][0]()
        pixels = np.flatnonzero(mask)
        if len(pixels):
            yx[slots] = _positions(
                pixels[rng.integers(len(pixels), size=len(slots))], mask.shape[1]
            )
    return np.concatenate([first, yx[~np.isnan(yx[:, 0])]])


def _center_click(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``1 2`` (``0 2`` for an empty mask): a click in the centre of a region."""
    if not mask.any():
        return np.empty((0, 2))
    rows, cols = _window(mask, 0)
    part = mask[rows, cols]
    # The nearest zero of a pixel lies inside the bounding box or on the ring around it, so the box
    # is enough.
    distance = cv2.distanceTransform(
        np.pad(part, 1).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )[1:-1, 1:-1]
    index = rng.choice(np.flatnonzero(distance > distance.max() / CENTER_DEPTH))
    return _positions(np.array([index]), part.shape[1]) + np.array([rows.start, cols.start])


def _positions(flat: np.ndarray, width: int) -> np.ndarray:
    """Rows and columns (``M 2`` float64) of flat pixel indices."""
    return np.stack(np.divmod(flat, width), 1).astype(np.float64)
