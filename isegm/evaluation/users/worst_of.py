"""The user who is unlucky every time: of several clicks in the error, the one that helps least.

A black-box attack on a trajectory of clicks: it needs no gradients, only answers. ``best_of`` is
its counterpart; what a method does in practice lies between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.evaluation.regions import around
from isegm.evaluation.users.base import Look, User
from isegm.evaluation.users.centre import next_click


def in_the_error(look: Look, count: int, seed: int) -> tuple[Click, ...]:
    """The click of ``centre``, and up to ``count - 1`` other pixels of the piece of error it lies
    in, all equally likely. Without any error: that one click.
    """
    centre = next_click(look.mask, look.gt, look.clicks)
    region = around(look, centre)
    if region is None:
        return (centre,)
    others = region.pixels.copy()
    others[int(centre.y) - region.top, int(centre.x) - region.left] = False
    drawn = region.drawn(look.rng(seed), count - 1, others) if others.any() else []
    return (centre, *drawn)


def checked_count(user: str, count: int) -> None:
    """Raise unless a number of candidates is one."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise IsegmError(f"{user}: count is {count!r}; expected a whole number from 1 on")


@dataclass(frozen=True)
class WorstOf(User):
    """Every candidate is answered from the same session; the lowest IoU is kept, the first of
    equals.

    Attributes:
        count: how many clicks are tried, that of ``centre`` among them. Every one costs an answer
            of the network.
        seed: of the random numbers.

    Raises:
        IsegmError: a count below 1.
    """

    count: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        checked_count("worst_of", self.count)

    def click(self, look: Look) -> Click:
        """The first candidate."""
        return self.candidates(look)[0]

    def candidates(self, look: Look) -> tuple[Click, ...]:
        return in_the_error(look, self.count, self.seed)

    def choose(self, ious: Sequence[float]) -> int:
        return int(np.argmin(ious))


USER = WorstOf
