"""The patient user: up to two dozen corrections, fewer ones being more likely, of either kind of
error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from isegm.core.errors import IsegmError
from isegm.training.corrections import click_on_either, next_clicks
from isegm.training.users.base import SimulatedUser, check_probability, check_rounds


@dataclass(frozen=True)
class Patient(SimulatedUser):
    """Each number of corrections, from 0 to ``max_rounds``, is ``round_decay`` times as likely as
    the one before.

    The kind of error to correct is drawn with probabilities proportional to depth, instead of
    always the deeper one. The click must still be more than half as deep as the deepest error of
    either kind; if there is no such pixel, there is no click.

    Source: the training code of EMC-Click (CVPR 2023): 23 and 0.8.

    Raises:
        IsegmError: a setting out of range.
    """

    max_rounds: int = 23
    round_decay: float = 0.8
    threshold: float = 0.49

    def __post_init__(self) -> None:
        check_rounds(self.max_rounds)
        check_probability("threshold", self.threshold)
        if not 0 < self.round_decay < 1:
            raise IsegmError(
                f"round_decay={self.round_decay}: expected a number between 0 and 1, e.g. 0.8"
            )

    def rounds(self, seed: int, step: int, several: Callable[[], bool] = lambda: False) -> int:
        weights = self.round_decay ** np.arange(self.max_rounds + 1)
        rng = np.random.default_rng([seed, step])
        return int(rng.choice(len(weights), p=weights / weights.sum()))

    def next_clicks(
        self,
        prob: Tensor,
        target: Tensor,
        rngs: Sequence[np.random.Generator],
        pool: Executor | None = None,
    ) -> tuple[Tensor, Tensor]:
        return next_clicks(prob, target, rngs, self.threshold, pool, click_on_either)
