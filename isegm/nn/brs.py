"""The optimization of BRS (Jang and Kim, CVPR 2019) and f-BRS (arXiv 2001.10331): L-BFGS on the
error of an answer at the clicks.

The method decides which numbers that change a network's answer are optimized, see ``Variables``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy.optimize import fmin_l_bfgs_b
from torch import Tensor

from isegm.core.clicks import NEGATIVE, PADDING, POSITIVE
from isegm.core.rounds import Round


def always() -> None:
    """Never stop the search."""


@dataclass(frozen=True)
class BRSSettings:
    """Settings of the optimization. Published config: ``get_predictor`` of f-BRS with the defaults
    of its evaluation script.

    Attributes:
        threshold: the search ends when the answer is above it at all object clicks and below it at
            all background clicks.
        reach: a click covers the square of this many pixels around it; by default 3x3.
        scale_weight, bias_weight: of the squared changes to features, in the objective.
        input_weight: of the squared changes to the image or the click maps; with mirroring these
            count twice.
        min_change: the search ends when the IoU of successive masks exceeds one minus this; 0 never
            ends it.
        corrections, factr, pgtol: of ``scipy.optimize.fmin_l_bfgs_b`` (``m``, ``factr``,
            ``pgtol``).
        evaluations: most evaluations of the objective; scipy finishes a line search it has begun.
        iterations: most iterations of L-BFGS.
        go_on: called before every evaluation; an exception ends the search without an answer.
    """

    threshold: float = 0.49
    reach: int = 1
    scale_weight: float = 1e-3
    bias_weight: float = 1e-2
    input_weight: float = 1e-3
    min_change: float = 0.01
    corrections: int = 20
    factr: float = 0.0
    pgtol: float = 1e-8
    evaluations: int = 20
    iterations: int = 40
    go_on: Callable[[], None] = always


class Variables(Protocol):
    """How a vector of n numbers changes a network's answer.

    Attributes:
        kept: the features that the next click can reuse, if any.
    """

    kept: tuple[Tensor, ...]

    def logits(self, x: Tensor) -> Tensor:
        """The answer, ``B 1 H W``, given the variables, ``n``."""

    def penalty(self, x: Tensor) -> Tensor:
        """The term of the variables themselves in the objective."""


class Objective:
    """The function that L-BFGS minimises for one click of one session: value and gradient.

    Args:
        wanted, unwanted: ``rows 1 H W`` float in {0, 1}, the squares of the object clicks and of
            the background clicks.

    Attributes:
        best: the answer: ``rows 1 H W`` logits at the lowest value seen.
        evaluations: calls so far.
    """

    def __init__(
        self, variables: Variables, wanted: Tensor, unwanted: Tensor, settings: BRSSettings
    ) -> None:
        self.variables, self.settings = variables, settings
        self.wanted, self.unwanted = wanted, unwanted
        self.best: Tensor | None = None
        self.lowest = float("inf")
        self.evaluations = 0
        self._last_mask: Tensor | None = None

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """``n`` float64 to value and gradient; once the answer is good enough, the gradient is
        zero, which ends the search.
        """
        self.settings.go_on()
        self.evaluations += 1
        with torch.enable_grad():
            variables = torch.from_numpy(x).to(self.wanted).requires_grad_()
            logits = self.variables.logits(variables)
            prob = logits.sigmoid()
            missed, extra = (1 - prob) * self.wanted, prob * self.unwanted
            loss = (missed**2).sum() / (self.wanted.sum() + 1e-5)
            loss = loss + (extra**2).sum() / (self.unwanted.sum() + 1e-5)
            total = loss + self.variables.penalty(variables)
        value = float(total.detach())
        if self.best is None or value < self.lowest:
            self.best, self.lowest = logits.detach(), value
        if self._good_enough(prob.detach(), missed.detach(), extra.detach()):
            return value, np.zeros_like(x)
        (gradient,) = torch.autograd.grad(total, variables)
        return value, gradient.double().cpu().numpy()

    def _good_enough(self, prob: Tensor, missed: Tensor, extra: Tensor) -> bool:
        threshold = self.settings.threshold
        if missed.max() < 1 - threshold and extra.max() < threshold:
            return True
        mask, last = prob > threshold, self._last_mask
        if last is not None and self.settings.min_change > 0:
            union = (mask | last).sum((1, 2, 3))
            ious = ((mask & last).sum((1, 2, 3)) / union)[union > 0]
            if len(ious) and ious.mean() > 1 - self.settings.min_change:
                return True
        self._last_mask = mask
        return False


def minimise(objective: Objective, start: np.ndarray, settings: BRSSettings) -> np.ndarray:
    """The end point of L-BFGS; ``objective.best`` is the best answer on the way there."""
    end, _, _ = fmin_l_bfgs_b(
        objective,
        start,
        m=settings.corrections,
        factr=settings.factr,
        pgtol=settings.pgtol,
        maxfun=settings.evaluations,
        maxiter=settings.iterations,
    )
    return end


def click_masks(round_: Round, reach: int = 1) -> tuple[Tensor, Tensor]:
    """The squares around object clicks and around background clicks, ``B 1 H W`` float each.

    As in the original these are plain slices: a click in row or column 0 leaves nothing, since its
    slice begins at -1, and one about three pixels or more outside marks pixels at the opposite
    border.
    """
    masks = round_.image.new_zeros(2, len(round_.image), 1, *round_.image.shape[-2:])
    rounded = round_.clicks.yx.round().long().tolist()
    for row, (centres, labels) in enumerate(
        zip(rounded, round_.clicks.label.tolist(), strict=True)
    ):
        for (y, x), label in zip(centres, labels, strict=True):
            if label != PADDING:
                sign = {POSITIVE: 0, NEGATIVE: 1}[label]
                masks[sign, row, 0, y - reach : y + reach + 1, x - reach : x + reach + 1] = 1
    return masks[0], masks[1]
