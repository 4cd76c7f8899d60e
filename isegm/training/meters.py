"""Loss values and IoU without waiting for the device at every step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isegm.core.errors import IsegmError


class NonFiniteLoss(IsegmError):
    """A loss or a weight is infinite or not a number."""


class LossWindow:
    """Collects losses on the device until ``read`` fetches them all in one copy."""

    def __init__(self) -> None:
        self._steps: list[tuple[int, list[str]]] = []
        self._values: list[Tensor] = []

    def add(self, step: int, values: dict[str, Tensor]) -> None:
        """Keep the scalars of one step; names may change from step to step."""
        self._steps.append((step, list(values)))
        self._values.append(torch.stack([value.detach().float() for value in values.values()]))

    def read(self) -> list[tuple[int, dict[str, float]]]:
        """``(step, {name: value})`` since the last call, oldest first."""
        if not self._values:
            return []
        flat = iter(torch.cat(self._values).tolist())
        read = [(step, {name: next(flat) for name in names}) for step, names in self._steps]
        self._steps, self._values = [], []
        return read


def means(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each name over the rows that have it."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in columns.items()}


def not_finite(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if not math.isfinite(value)}


def sample_ious(logits: Tensor, target: Tensor, threshold: float = 0.49) -> Tensor:
    """``B``: IoU of each sample without ignored pixels; 1 if both masks are empty.

    Args:
        logits: ``B 1 H W``.
        target: ``B 1 H W``, 1 = object, 0 = background, -1 = ignored.
        threshold: in [0, 1], on the probability.
    """
    pred, truth = logits.float().sigmoid() > threshold, target > 0.5
    pred = pred & (target >= 0)
    union = (pred | truth).flatten(1).sum(1)
    return torch.where(union > 0, (pred & truth).flatten(1).sum(1) / union.clamp(min=1), 1.0)
