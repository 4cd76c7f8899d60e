"""The user who is lucky every time: of several clicks in the error, the one that helps most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isegm.core.clicks import Click
from isegm.evaluation.users.base import Look, User
from isegm.evaluation.users.worst_of import checked_count, in_the_error


@dataclass(frozen=True)
class BestOf(User):
    """Every candidate is answered from the same session; the highest IoU is kept, the first of
    equals. The best at every click need not be the best in the end.

    Attributes:
        count: how many clicks are tried, that of ``centre`` among them. Every one costs an answer
            of the network.
        seed: of the random numbers; with the same one ``worst_of`` tries the same first clicks.

    Raises:
        IsegmError: a count below 1.
    """

    count: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        checked_count("best_of", self.count)

    def click(self, look: Look) -> Click:
        """The first candidate."""
        return self.candidates(look)[0]

    def candidates(self, look: Look) -> tuple[Click, ...]:
        return in_the_error(look, self.count, self.seed)

    def choose(self, ious: Sequence[float]) -> int:
        return int(np.argmax(ious))


USER = BestOf
