"""Losses of several answers of one rollout, weighted by the number of clicks; a part of an
experiment (``train.click_losses``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from isegm.core.errors import IsegmError


class ClickLosses(Protocol):
    """Settings; only ``of`` must be written."""

    def of(self, answers: int) -> tuple[float, ...]:
        """One weight per answer of a rollout, the answer to the sampled clicks first. An answer of
        weight 0 is not learned from.
        """
        ...


@dataclass(frozen=True)
class IterativeClickLoss:
    """The loss of a step is the weighted sum of the losses of all its answers.

    As everywhere, a previous mask is an input without gradients, so each answer is learned from on
    its own. A step costs a forward and a backward pass per answer, and the memory of one. Batch
    norm sees each of the answers.

    Source: CFR-ICL (arXiv 2303.05620), where later clicks weigh more. Published: 1, 2, 3.
    # differs from the original: the masks in between are those of the network in eval mode, as in
    all training here; the paper does not say.

    Args:
        weights: of the answers in order; the last one also of all later answers.

    Raises:
        IsegmError: a weight that is negative or not finite, or none above 0 at the end.
    """

    weights: Sequence[float] = (1.0, 2.0, 3.0)

    def __post_init__(self) -> None:
        fine = all(weight >= 0 and math.isfinite(weight) for weight in self.weights)
        if not (self.weights and fine and self.weights[-1] > 0):
            raise IsegmError(
                f"weights={list(self.weights)} of click losses: expected numbers from 0, the last"
                " one above 0, e.g. [1,2,3]"
            )

    def of(self, answers: int) -> tuple[float, ...]:
        known = tuple(self.weights)
        return known[:answers] + known[-1:] * (answers - len(known))
