"""The published user with an unsteady hand: every click of ``centre``, moved by a Gaussian.

The shift is drawn for rows and for columns, with a standard deviation that is a share of the
object's size, which is the square root of its area; the place is rounded to a pixel and kept inside
the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError, unknown
from isegm.evaluation.users.base import Look, User
from isegm.evaluation.users.centre import next_click

OFF_TARGET = ("redraw", "keep", "flip")
DRAWS = 20


@dataclass(frozen=True)
class Jitter(User):
    """Clicks near where the published user would.

    Attributes:
        share: standard deviation of the shift, as a share of the object's size, at least 0.
        off_target: what happens to a click that the truth contradicts, a positive one off the
            object or a negative one that is not on background. "redraw": it is drawn again, up to
            20 times; after that the click of ``centre`` is used. "keep": it is made with the wrong
            sign. "flip": it is made with the sign of the truth; on an ignored pixel, unchanged.
        seed: of the random numbers.

    Raises:
        IsegmError: a share below 0, or another ``off_target``.
    """

    share: float = 0.1
    off_target: str = "redraw"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share < np.inf:
            raise IsegmError(
                f"jitter: share is {self.share}; expected a number from 0 on, e.g. 0.1"
            )
        if self.off_target not in OFF_TARGET:
            raise unknown("off_target of jitter", self.off_target, OFF_TARGET)

    def click(self, look: Look) -> Click:
        aim = next_click(look.mask, look.gt, look.clicks)
        wanted, rng = int(aim.positive), look.rng(self.seed)
        sigma = self.share * np.sqrt((look.gt == 1).sum())
        for _ in range(DRAWS if self.off_target == "redraw" else 1):
            y, x = (
                int(np.clip(np.rint(at + sigma * rng.standard_normal()), 0, side - 1))
                for at, side in zip((aim.y, aim.x), look.gt.shape, strict=True)
            )
            truth = int(look.gt[y, x])
            if truth == wanted or self.off_target == "keep":
                return Click(y, x, aim.positive)
            if self.off_target == "flip":
                return Click(y, x, truth == 1 if truth >= 0 else aim.positive)
        return aim


USER = Jitter
