"""Clicks in the middle of the smallest piece of the error: details first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.evaluation.regions import NOTHING_WRONG, smallest
from isegm.evaluation.users.base import Look, User


@dataclass(frozen=True)
class Smallest(User):
    """Without any error: a negative click at (0, 0). Draws nothing.

    Attributes:
        least: pieces smaller than this are passed over, in share of the object's area from 0 (any)
            to 1. If there are no others, the largest of them is clicked.

    Raises:
        IsegmError: another share.
    """

    least: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1:
            raise IsegmError(f"smallest: least is {self.least}; expected a share from 0 to 1")

    def click(self, look: Look) -> Click:
        least = max(1, int(np.ceil(self.least * (look.gt == 1).sum())))
        region = smallest(look, least)
        return region.centre() if region else NOTHING_WRONG


USER = Smallest
