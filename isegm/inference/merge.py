"""Progressive merge: correcting a given mask, one region per click (arXiv 2204.02574, section 3.3).

Someone who starts from a mask wants it changed where they click, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from isegm.core.errors import unknown
from isegm.utils.regions import changed_region

if TYPE_CHECKING:  # protocols are also read where torch is missing
    from isegm.core.rounds import Session

KINDS = ("published", "guarded")


@dataclass(frozen=True)
class ProgressiveMerge:
    """Keep only the change around the newest click, in sessions that started from a mask.

    The session then shows the merged mask (``prob``, 0 or 1), while the network keeps seeing its
    own answer (``prev_prob``).

    Attributes:
        threshold: a pixel is in the mask if its probability is above this.
        kind: matters if the answer did not change at the click. ``"published"`` then takes every
            unchanged pixel as the change, as the published evaluation does: a positive click floods
            the image and a negative one empties the mask. ``"guarded"`` keeps the mask.
    """

    threshold: float = 0.5
    kind: str = "published"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("merge", self.kind, KINDS)

    def __call__(self, before: Session, after: Session) -> Session:
        if not after.from_mask:
            return after
        click = after.clicks[-1]
        old, new = ((s.prob[0, 0] > self.threshold).cpu().numpy() for s in (before, after))
        merged = merged_mask(old, new, int(click.y), int(click.x), guarded=self.kind == "guarded")
        prob = after.prob.new_tensor(merged)[None, None]
        return replace(after, prob=prob, prev_prob=after.feedback)


def merged_mask(
    old: np.ndarray, new: np.ndarray, y: int, x: int, guarded: bool = False
) -> np.ndarray:
    """``old`` with the change of ``new`` at (y, x); all are ``H W`` bool."""
    region = changed_region(old, new, y, x)
    if guarded and old[y, x] == new[y, x]:
        return old
    return old & ~region if old[y, x] else old | region
