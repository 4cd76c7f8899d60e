"""Removes small regions from the targets of a sampler. Source: the training code of arXiv
2204.02574.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isegm.core.clicks import PADDING
from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample
from isegm.data.sampling.draw import Draw, Sampler
from isegm.utils.regions import without_small_regions


@dataclass(frozen=True)
class LargeRegions:
    """The targets of another sampler without their small regions and the positive clicks on them.

    # differs from the original: there, clicks may stay on regions that were removed.

    Attributes:
        sampler: draws target and clicks.
        min_region: regions of the target with fewer pixels become background.
        min_area: a sample whose target then has at most this many pixels is not used.
        max_share: nor is one whose target fills at least this share of the image.

    Raises:
        IsegmError: ``max_share`` is not a share.
    """

    sampler: Sampler
    min_region: int = 900
    min_area: int = 1000
    max_share: float = 0.85

    def __post_init__(self) -> None:
        if not 0 < self.max_share <= 1:
            raise IsegmError(f"max_share={self.max_share}: expected a share above 0 and at most 1")

    def draw(self, sample: InstanceSample, rng: np.random.Generator) -> Draw | None:
        drawn = self.sampler.draw(sample, rng)
        return None if drawn is None else self.tidied(drawn)

    def tidied(self, drawn: Draw) -> Draw | None:
        """A draw without small regions; None if the target is then too small or too large, or has
        no click left.
        """
        target, yx, label, n = drawn.target.copy(), drawn.yx.copy(), drawn.label.copy(), drawn.most
        mask = target > 0
        kept = without_small_regions(mask, self.min_region) if self.min_region else mask
        if not self.min_area < np.count_nonzero(kept) < self.max_share * mask.size:
            return None
        target[mask & ~kept] = 0
        y, x = yx[:n].astype(int).T
        on = (label[:n] == 1) & kept[y, x]
        yx[:n], label[:n] = -1, PADDING
        yx[: on.sum()], label[: on.sum()] = drawn.yx[:n][on], 1
        return Draw(target, yx, label) if on.any() else None
