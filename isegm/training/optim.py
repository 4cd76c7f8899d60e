"""Optimiser, learning-rate schedule, and the moving average of the weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from isegm.methods.base import ClickModel


def sgd(model: ClickModel, lr: float, momentum: float = 0.9, weight_decay: float = 0.0) -> torch.optim.SGD:
    """Stochastic gradient descent, one parameter group per learning-rate multiplier of the method (FCA-Net's optimiser)."""
    return torch.optim.SGD(_groups(model, lr), lr=lr, momentum=momentum, weight_decay=weight_decay)


def adam(
    model: ClickModel, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0
) -> torch.optim.Adam:
    """Adam, one parameter group per learning-rate multiplier of the method (RITM's optimiser); AdamW with weight decay.

    # differs from the original: it makes one group per parameter, which gives the same steps more slowly.
    """
    kind = torch.optim.AdamW if weight_decay else torch.optim.Adam
    return kind(
        _groups(model, lr),
        lr=lr,
        betas=tuple(betas),
        eps=eps,
        weight_decay=weight_decay,
    )


def multistep(
    optimizer: torch.optim.Optimizer, milestones: Sequence[int], gamma: float
) -> torch.optim.lr_scheduler.LRScheduler:
    """Multiply the learning rate by ``gamma`` at each milestone; step it once per epoch."""
    return torch.optim.lr_scheduler.MultiStepLR(optimizer, list(milestones), gamma)


def polynomial(optimizer: torch.optim.Optimizer, epochs: int, power: float = 0.9) -> torch.optim.lr_scheduler.LRScheduler:
    """Multiply the learning rate by (1 - epoch / epochs)^power up to epoch ``epochs`` - 1, and leave it there (FCA-Net).

    Step it once per epoch; the first is epoch 0.
    """
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: (1 - min(epoch, epochs - 1) / epochs) ** power)


class AverageModel:
    """The exponential moving average of a model's weights; its buffers are those of the model.

    The decay grows from 0.1 with the first steps, so that a short training does not average in its random start.
    """

    def __init__(self, model: ClickModel, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self._pairs = list(zip(self.model.parameters(), model.parameters(), strict=True))
        self._buffers = list(zip(self.model.buffers(), model.buffers(), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimiser step ``step`` (0 is the first)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_([average for average, _ in self._pairs], [now.detach() for _, now in self._pairs], 1 - decay)
        for average, now in self._buffers:
            average.copy_(now)


def _groups(model: ClickModel, lr: float) -> list[dict[str, Any]]:
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(model.lr_multiplier(name), []).append(parameter)
    return [{"params": parameters, "lr": lr * multiplier} for multiplier, parameters in groups.items()]
