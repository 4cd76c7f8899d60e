"""Clicks anywhere inside the largest piece of the error, every pixel being equally likely."""

from __future__ import annotations

from dataclasses import dataclass

from isegm.core.clicks import Click
from isegm.evaluation.regions import NOTHING_WRONG, largest
from isegm.evaluation.users.base import Look, User


@dataclass(frozen=True)
class Inside(User):
    """Without any error: a negative click at (0, 0).

    Attributes:
        seed: of the random numbers.
    """

    seed: int = 0

    def click(self, look: Look) -> Click:
        region = largest(look)
        return region.drawn(look.rng(self.seed))[0] if region else NOTHING_WRONG


USER = Inside
