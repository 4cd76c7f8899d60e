"""The restarting user: iterative, sometimes starting over with the first click."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isegm.training.users.base import SimulatedUser, check_probability, check_rounds


@dataclass(frozen=True)
class Restarting(SimulatedUser):
    """The number of corrections is drawn from 0 .. ``max_rounds`` - 1, plus one if every sample has
    several clicks.

    Source: the training code of ClickAttention (arXiv 2408.06021).

    Attributes:
        restart: probability that a batch starts as for a user: with one click per sample on an
            empty answer, instead of the sampled clicks, and without corrections.

    Raises:
        IsegmError: a negative number of corrections, or a probability outside [0, 1].
    """

    max_rounds: int = 3
    restart: float = 0.02
    threshold: float = 0.49

    def __post_init__(self) -> None:
        check_rounds(self.max_rounds)
        for name in ("restart", "threshold"):
            check_probability(name, getattr(self, name))

    def rounds(self, seed: int, step: int, several: Callable[[], bool] = lambda: False) -> int:
        if not self.max_rounds:
            return 0
        return int(np.random.default_rng([seed, step]).integers(self.max_rounds)) + several()

    def restarts(self, seed: int, step: int) -> bool:
        # A trailing 0 in a seed changes nothing, so without the 1 this would be the generator of
        # the rounds at step 0.
        return bool(np.random.default_rng([seed, step, 0, 1]).random() < self.restart)
