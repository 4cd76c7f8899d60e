"""What all samplers share: the interface, the result, and the choice of a target."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from isegm.core.clicks import PADDING
from isegm.core.errors import IsegmError
from isegm.core.samples import IGNORE, InstanceSample


@dataclass(frozen=True)
class Draw:
    """A target and its clicks, in the order in which they count as made: the positive ones as
    drawn, then the negative ones.

    Attributes:
        target: ``H W`` float32; 1 = object, 0 = background, -1 = ignored (between 0 and 1 on soft
            edges).
        yx: ``2N 2`` float64, rows and columns; the first N are the positives, the last N the
            negatives, padding last in each.
        label: ``2N`` int64; 1, 0, or -1 for padding (coordinates -1).
    """

    target: np.ndarray
    yx: np.ndarray
    label: np.ndarray

    @classmethod
    def of(cls, gt: np.ndarray, positive: np.ndarray, negative: np.ndarray, most: int) -> Draw:
        """From ``H W`` int8 and two lists, ``M 2``, of at most ``most`` clicks each."""
        yx, label = np.full((2 * most, 2), -1.0), np.full(2 * most, PADDING, np.int64)
        yx[: len(positive)], label[: len(positive)] = positive, 1
        yx[most : most + len(negative)], label[most : most + len(negative)] = negative, 0
        return cls(gt.astype(np.float32), yx, label)

    @property
    def most(self) -> int:
        """N, the most clicks of each sign."""
        return len(self.label) // 2


class Sampler(Protocol):
    """Chooses the object of a sample to train on, and the first clicks the network sees."""

    def draw(self, sample: InstanceSample, rng: np.random.Generator) -> Draw | None:
        """Draw a target and its clicks; None if the sample is unusable. N is the same for all draws
        of a sampler.
        """


@dataclass(frozen=True)
class Target:
    """``gt``: ``H W`` int8 in {1, 0, -1}; ``objects``: the masks merged into it, ``H W`` bool."""

    gt: np.ndarray
    objects: list[np.ndarray]


def draw_target(
    sample: InstanceSample, merge_prob: float, max_merged: int, rng: np.random.Generator
) -> Target:
    """One object of a sample, or with probability ``merge_prob`` 2 to ``max_merged`` of them as one
    target.
    """
    roots = sample.roots
    keys = [roots[rng.integers(len(roots))]]
    most = min(len(roots), max_merged)
    if most > 1 and rng.random() < merge_prob:
        count = rng.integers(2, most + 1)
        keys = [roots[i] for i in rng.choice(len(roots), count, replace=False)]
    gt = functools.reduce(np.maximum, (sample.gt_mask(key) for key in keys))
    return Target(gt, [sample.object_mask(key) for key in keys])


def softened(target: np.ndarray) -> np.ndarray:
    """A target with its edges smoothed by a 3x3 binomial filter; ignored pixels stay."""
    soft = cv2.GaussianBlur((target == 1).astype(np.float32), (3, 3), 0)
    soft[target == IGNORE] = IGNORE
    return soft


def check_merging(merge_prob: float, max_merged: int) -> None:
    """Raise ``IsegmError`` for settings of ``draw_target`` out of range."""
    if not 0 <= merge_prob <= 1:
        raise IsegmError(f"merge_prob={merge_prob}: expected a probability from 0 to 1")
    if max_merged < 1:
        raise IsegmError(f"max_merged={max_merged}: expected at least 1")
