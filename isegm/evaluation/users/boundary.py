"""Clicks inside the largest piece of the error, but near its boundary."""

from __future__ import annotations

from dataclasses import dataclass

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.evaluation.regions import NOTHING_WRONG, largest
from isegm.evaluation.users.base import Look, User


@dataclass(frozen=True)
class Boundary(User):
    """Every pixel near the boundary is equally likely. Without any error: a negative click at
    (0, 0).

    Attributes:
        share: how near, in share of the depth of the deepest pixel: above 0, and 1 is anywhere.
            Pixels right at the boundary always count as near.
        seed: of the random numbers.

    Raises:
        IsegmError: another share.
    """

    share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise IsegmError(
                f"boundary: share is {self.share}; expected a number above 0, at most 1"
            )

    def click(self, look: Look) -> Click:
        region = largest(look)
        if region is None:
            return NOTHING_WRONG
        depth = region.squared_depth
        near = region.pixels & (depth <= max(1, self.share**2 * float(depth.max())))
        return region.drawn(look.rng(self.seed), among=near)[0]


USER = Boundary
