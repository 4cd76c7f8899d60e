"""RITM's multi-point sampler: which object of a sample to train on, and which clicks the model is shown first.

Source: RITM (arXiv 2102.06583) section 3 and its published training scripts. Two functions and a frozen configuration; every
call is a function of its arguments, so data sets and processes can share one configuration.

# differs from the original: pixels whose truth is unknown (-1) are neither object nor background here, so no click falls on
# them. The original casts -1 to 255 and places positive clicks there.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from isegm.core.clicks import PADDING
from isegm.core.errors import IsegmError
from isegm.core.samples import IGNORE, InstanceSample
from isegm.data.spaced_clicks import MOST, spaced_clicks


@dataclass(frozen=True)
class SamplerConfig:
    """How objects and clicks are drawn; the defaults are those of the original class, scripts set their own.

    Attributes:
        max_clicks: N, the most clicks per sign.
        gamma: P(m positive) ~ gamma^(m-1) for m = 1..N, P(m negative) ~ gamma^m for m = 0..N; at 0 every object is clicked
            once and nothing else (EMC-Click).
        merge_prob: probability that several root objects are merged into one target.
        max_merged: the most objects merged; -1 = N.
        erode_prob: probability that positives keep away from the border, and ``erode_iters`` 3x3 erosions by which.
        border_ratio: width of the border strip for negatives, in units of the square root of the object's area.
        negative_probs: of a negative falling on (any background, another object, the border strip).
        hierarchy: descend from a root into its parts, and let parts be missing from the target.
        soft_targets: smooth the target's edges with a 3x3 binomial filter.
            # differs from the original: there, linear resampling of the mask inside the augmentation makes the soft edge.
        first_click_center: the first positive lies in the centre, where the distance to the border exceeds max / ``center_k``.
        only_one_first_click: of merged objects, only the first is sure to be clicked.
        center_k: see above; at most 0: the first click is drawn proportionally to the distance to the border.
        center_anywhere_prob: probability that the first click is drawn from the whole object instead.
        spaced: clicks as FCA-Net draws them, see ``spaced_clicks``: beside the first up to 10 per sign, or ``max_clicks`` - 1
            if that is less; of the settings above only those of the target are used.
    """

    max_clicks: int = 12
    gamma: float = 0.7
    merge_prob: float = 0.0
    max_merged: int = 2
    erode_prob: float = 0.9
    erode_iters: int = 3
    border_ratio: float = 0.1
    negative_probs: tuple[float, float, float] = (0.1, 0.4, 0.5)
    hierarchy: bool = False
    soft_targets: bool = False
    first_click_center: bool = False
    only_one_first_click: bool = False
    center_k: float = 1.7
    center_anywhere_prob: float = 0.0
    spaced: bool = False

    def __post_init__(self) -> None:
        if self.max_clicks < 1 or not 0 <= self.gamma <= 1:
            raise IsegmError(f"expected max_clicks >= 1 and 0 <= gamma <= 1, got {self.max_clicks} and {self.gamma}")
        if len(self.negative_probs) != 3 or abs(sum(self.negative_probs) - 1) > 1e-6 or min(self.negative_probs) < 0:
            raise IsegmError(f"negative_probs must be three probabilities that sum to 1, got {self.negative_probs}")


@dataclass(frozen=True)
class Draw:
    """A drawn target and its clicks.

    Attributes:
        target: ``H W`` float32; 1 = object, 0 = background, -1 = ignored (between 0 and 1 on soft edges).
        yx: ``2N 2`` float64, rows and columns; the first N are the positives, the last N the negatives.
        label: ``2N`` int64; 1, 0, or -1 for padding (coordinates -1).
    """

    target: np.ndarray
    yx: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class _Target:
    gt: np.ndarray  # H W int8 in {1, 0, -1}
    positives: list[np.ndarray]  # one H W bool per merged object
    required: list[np.ndarray]  # H W bool, regions that must get a negative


Region = Callable[[], np.ndarray]  # H W bool, computed when first needed
Mixture = Sequence[tuple[Region, float]]  # regions and their probabilities


@dataclass(frozen=True)
class _Group:
    """Regions that get clicks together; ``at_least_one`` selects the distribution of their number."""

    mixture: Mixture
    at_least_one: bool


def draw(sample: InstanceSample, config: SamplerConfig, rng: np.random.Generator) -> Draw:
    """Draw a target among the objects of a sample, and clicks for it.

    A sample without objects gives an empty target, no positive clicks, and negatives from everywhere.
    """
    ignored = sample.ignore_mask()
    if sample.objects and config.spaced:
        target = _draw_target(sample, config, rng)
        positive, negative = spaced_clicks(target.gt, rng, min(MOST, max(1, config.max_clicks - 1)))
        return _as_draw(target.gt, positive[: config.max_clicks], negative, config)
    if sample.objects:
        target = _draw_target(sample, config, rng)
        positives = [_Group([(_eroded_at_random(mask & ~ignored, config, rng), 1.0)], True) for mask in target.positives]
        positive = _clicks(positives, config, rng, center=config.first_click_center)
        required = [_Group([(functools.partial(np.copy, mask & ~ignored), 1.0)], True) for mask in target.required]
        elsewhere = _negative_mixture(sample, target, ignored, config)
    else:
        gt = np.zeros(ignored.shape, np.int8)
        gt[ignored] = IGNORE
        target, positive, required = _Target(gt, [], []), np.empty((0, 2)), []
        elsewhere = [(lambda: ~ignored, 1.0)]
    negative = _clicks([*required, _Group(elsewhere, False)], config, rng, center=False)
    return _as_draw(target.gt, positive, negative, config)


def _as_draw(gt: np.ndarray, positive: np.ndarray, negative: np.ndarray, config: SamplerConfig) -> Draw:
    """``H W`` int8 and two lists of at most ``max_clicks`` clicks, ``M 2``, as a draw."""
    n = config.max_clicks
    yx, label = np.full((2 * n, 2), -1.0), np.full(2 * n, PADDING, np.int64)
    yx[: len(positive)], label[: len(positive)] = positive, 1
    yx[n : n + len(negative)], label[n : n + len(negative)] = negative, 0
    return Draw(_softened(gt) if config.soft_targets else gt.astype(np.float32), yx, label)


def count_probs(config: SamplerConfig, at_least_one: bool) -> np.ndarray:
    """The probabilities of 1..N clicks (N values), or of 0..N clicks (N + 1 values)."""
    weights = config.gamma ** np.arange(config.max_clicks + (not at_least_one))
    return weights / weights.sum()


# --- the target ---------------------------------------------------------------------------------------------------------------


def _draw_target(sample: InstanceSample, config: SamplerConfig, rng: np.random.Generator) -> _Target:
    roots = sample.roots
    keys = [roots[rng.integers(len(roots))]]
    most = min(len(roots), config.max_clicks if config.max_merged == -1 else config.max_merged)
    if most > 1 and rng.random() < config.merge_prob:
        count = rng.integers(2, most + 1)
        keys = [roots[i] for i in rng.choice(len(roots), count, replace=False)]
    targets = [_draw_part(sample, key, rng) if config.hierarchy else _whole(sample, key) for key in keys]
    gt = functools.reduce(np.maximum, (t.gt for t in targets))
    # A part cut out of one object may belong to another one that was merged with it.
    required = [mask & (gt != 1) for t in targets for mask in t.required]
    return _Target(gt, [t.positives[0] for t in targets], required)


def _whole(sample: InstanceSample, key: int) -> _Target:
    return _Target(sample.gt_mask(key), [sample.object_mask(key)], [])


def _draw_part(sample: InstanceSample, key: int, rng: np.random.Generator) -> _Target:
    """Descend with probability 0.5 per level, then leave up to three children out of the target."""
    while sample.objects[key].children and rng.random() < 0.5:
        key = int(rng.choice(sample.objects[key].children))
    info = sample.objects[key]
    mask, gt = sample.object_mask(key), sample.gt_mask(key)
    positive, required = mask.copy(), []
    if info.parent is not None:
        required.append(sample.object_mask(info.parent) & ~mask)
    parts = {child: sample.object_mask(child) for child in info.children}
    for part in parts.values():
        if part.sum() < 0.1 * mask.sum():
            positive &= ~part
    left_out = rng.choice(info.children, rng.integers(min(len(parts), 3) + 1), replace=False) if parts else ()
    for child in left_out:
        part = parts[int(child)]
        positive &= ~part
        gt[part & (gt == 1)] = 0
        required.append(part)
    return _Target(gt, [positive], required)


def _softened(gt: np.ndarray) -> np.ndarray:
    soft = cv2.GaussianBlur((gt == 1).astype(np.float32), (3, 3), 0)
    soft[gt == IGNORE] = IGNORE
    return soft


# --- regions ------------------------------------------------------------------------------------------------------------------


def _eroded_at_random(mask: np.ndarray, config: SamplerConfig, rng: np.random.Generator) -> Region:
    """The mask, or with probability ``erode_prob`` its eroded form if more than 10 pixels are left of it."""
    if rng.random() >= config.erode_prob or config.erode_iters < 1 or not mask.any():
        return lambda: mask
    rows, cols = _window(mask, config.erode_iters)
    part = cv2.erode(mask[rows, cols].view(np.uint8), np.ones((3, 3), np.uint8), iterations=config.erode_iters)
    if cv2.countNonZero(part) <= 10:
        return lambda: mask
    eroded = np.zeros_like(mask)
    eroded[rows, cols] = part
    return lambda: eroded


def _negative_mixture(sample: InstanceSample, target: _Target, ignored: np.ndarray, config: SamplerConfig) -> Mixture:
    gt = target.gt == 1

    @functools.cache
    def background() -> np.ndarray:
        return ~(gt | ignored)

    @functools.cache
    def other() -> np.ndarray:
        if len(sample.objects) <= len(target.positives):
            return background()
        # Layer by layer: any() along so short an axis takes ten times as long.
        return functools.reduce(np.logical_or, np.moveaxis(sample.layers, 2, 0), False) & background()

    @functools.cache
    def border() -> np.ndarray:
        strip = np.zeros_like(gt)
        if gt.any():
            width = math.ceil(config.border_ratio * math.sqrt(np.count_nonzero(gt)))
            rows, cols = _window(gt, width)
            strip[rows, cols] = cv2.dilate(gt[rows, cols].view(np.uint8), np.ones((3, 3), np.uint8), iterations=width)
        return strip & background()

    return list(zip((background, other, border), config.negative_probs, strict=True))


def _window(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Slices of the bounding box of a non-empty mask, widened by a margin and cut to the image.

    Erosion and dilation by up to ``margin`` pixels inside the window equal those on the whole image.
    """
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    rows = slice(max(0, top - margin), min(mask.shape[0], top + height + margin))
    return rows, slice(max(0, left - margin), min(mask.shape[1], left + width + margin))


# --- clicks -------------------------------------------------------------------------------------------------------------------


def _clicks(groups: Sequence[_Group], config: SamplerConfig, rng: np.random.Generator, center: bool) -> np.ndarray:
    """At most N clicks, ``M 2``: one group gets its own; of several, each gets its first and all share the others."""
    each = [_group_clicks(group, config, rng, center) for group in groups]
    each = [clicks for clicks in each if len(clicks)]
    if len(each) <= 1:
        return each[0] if each else np.empty((0, 2))
    first = np.concatenate([clicks[:1] for clicks in (each[:1] if config.only_one_first_click else each)])
    pooled = [(region, weight / len(groups)) for group in groups for region, weight in group.mixture]
    extra = _group_clicks(_Group(pooled, False), config, rng, center=False)
    room = max(0, config.max_clicks - len(first))
    if len(extra) > room:
        extra = extra[rng.choice(len(extra), room, replace=False)]
    return np.concatenate([first[: config.max_clicks], extra])


def _group_clicks(group: _Group, config: SamplerConfig, rng: np.random.Generator, center: bool) -> np.ndarray:
    """``M 2``: a random number of clicks, each in a region drawn from the mixture; empty regions drop theirs."""
    count = int(rng.choice(config.max_clicks + (not group.at_least_one), p=count_probs(config, group.at_least_one)))
    count += group.at_least_one
    first = _center_click(group.mixture[0][0](), config, rng) if center and count else np.empty((0, 2))
    count -= len(first)
    which = rng.choice(len(group.mixture), count, p=[weight for _, weight in group.mixture])
    yx = np.full((count, 2), np.nan)
    for index in np.unique(which):
        slots = np.flatnonzero(which == index)
        mask = group.mixture[index][0]()
        pixels = np.flatnonzero(mask)
        if len(pixels):
            yx[slots] = _positions(pixels[rng.integers(len(pixels), size=len(slots))], mask.shape[1])
    return np.concatenate([first, yx[~np.isnan(yx[:, 0])]])


def _center_click(mask: np.ndarray, config: SamplerConfig, rng: np.random.Generator) -> np.ndarray:
    """``1 2`` (``0 2`` for an empty mask): a click in the centre of a region."""
    if not mask.any():
        return np.empty((0, 2))
    rows, cols = _window(mask, 0)
    part = mask[rows, cols]
    # The nearest zero of a pixel lies inside the bounding box or on the ring around it, so the box is enough.
    distance = cv2.distanceTransform(np.pad(part, 1).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    if config.center_anywhere_prob > 0 and rng.random() < config.center_anywhere_prob:
        index = rng.choice(np.flatnonzero(part))
    elif config.center_k <= 0:
        weights = distance.ravel().astype(np.float64)
        index = rng.choice(weights.size, p=weights / weights.sum())
    else:
        # At k < 1 no pixel is far enough inside; the deepest ones then stand for the centre.
        limit = distance.max() / config.center_k
        index = rng.choice(np.flatnonzero(distance > limit if config.center_k > 1 else distance == distance.max()))
    return _positions(np.array([index]), part.shape[1]) + np.array([rows.start, cols.start])


def _positions(flat: np.ndarray, width: int) -> np.ndarray:
    """Rows and columns (``M 2`` float64) of flat pixel indices."""
    return np.stack(np.divmod(flat, width), 1).astype(np.float64)
