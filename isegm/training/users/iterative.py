"""The iterative user: corrects the largest error a few times. Without rounds, training uses only
sampled clicks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isegm.training.users.base import SimulatedUser, check_probability, check_rounds


@dataclass(frozen=True)
class Iterative(SimulatedUser):
    """The number of corrections of a batch is drawn uniformly from 0 .. ``max_rounds``.

    Source: RITM (arXiv 2102.06583), section 4.

    Raises:
        IsegmError: a negative number of corrections, or a threshold outside [0, 1].
    """

    max_rounds: int = 3
    threshold: float = 0.49

    def __post_init__(self) -> None:
        check_rounds(self.max_rounds)
        check_probability("threshold", self.threshold)

    def rounds(self, seed: int, step: int, several: Callable[[], bool] = lambda: False) -> int:
        return int(np.random.default_rng([seed, step]).integers(self.max_rounds + 1))
