"""Optimisers and learning-rate schedules as parts of an experiment, and weight averaging."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, MultiStepLR

from isegm.core.errors import IsegmError
from isegm.methods.base import ClickModel


class Optimizer(Protocol):
    """Settings of an optimiser; one parameter group per learning-rate multiplier of the method."""

    def of(self, model: ClickModel) -> torch.optim.Optimizer: ...


class Schedule(Protocol):
    """Settings of a schedule, stepped once per epoch from epoch 0."""

    def of(self, optimizer: torch.optim.Optimizer) -> LRScheduler: ...


@dataclass(frozen=True)
class Adam:
    """Adam.

    # differs from the original (arXiv 2102.06583): it makes one group per parameter, which takes
    the same steps, but slower.
    """

    lr: float = 5e-4
    betas: Sequence[float] = (0.9, 0.999)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        check_rate(self.lr)
        check_betas(self.betas)

    def of(self, model: ClickModel) -> torch.optim.Optimizer:
        return torch.optim.Adam(
            groups(model, self.lr), lr=self.lr, betas=tuple(self.betas), eps=self.eps
        )


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay: each step also subtracts lr * ``weight_decay`` * weight."""

    lr: float = 5e-4
    betas: Sequence[float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        check_rate(self.lr)
        check_betas(self.betas)
        check_not_negative("weight_decay", self.weight_decay)

    def of(self, model: ClickModel) -> torch.optim.Optimizer:
        settings = {"betas": tuple(self.betas), "eps": self.eps, "weight_decay": self.weight_decay}
        return torch.optim.AdamW(groups(model, self.lr), lr=self.lr, **settings)


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent; the weight decay is part of the gradient."""

    lr: float
    momentum: float = 0.9
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check_rate(self.lr)
        check_not_negative("weight_decay", self.weight_decay)
        if not 0 <= self.momentum < 1:
            raise IsegmError(
                f"momentum={self.momentum}: expected a number from 0 to below 1, e.g. 0.9"
            )

    def of(self, model: ClickModel) -> torch.optim.Optimizer:
        settings = {"momentum": self.momentum, "weight_decay": self.weight_decay}
        return torch.optim.SGD(groups(model, self.lr), lr=self.lr, **settings)


@dataclass(frozen=True)
class Constant:
    """The rate never changes."""

    def of(self, optimizer: torch.optim.Optimizer) -> LRScheduler:
        return LambdaLR(optimizer, lambda epoch: 1.0)


@dataclass(frozen=True)
class MultiStep:
    """The rate is multiplied by ``gamma`` at the start of each of the epochs ``at``."""

    at: Sequence[int]
    gamma: float = 0.1

    def of(self, optimizer: torch.optim.Optimizer) -> LRScheduler:
        return MultiStepLR(optimizer, list(self.at), self.gamma)


@dataclass(frozen=True)
class Polynomial:
    """The rate is multiplied by (1 - epoch / epochs)^power up to epoch ``epochs`` - 1, and stays
    there.
    """

    epochs: int
    power: float = 0.9

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise IsegmError(f"epochs={self.epochs} of the schedule: expected at least 1")

    def of(self, optimizer: torch.optim.Optimizer) -> LRScheduler:
        return LambdaLR(
            optimizer, lambda epoch: (1 - min(epoch, self.epochs - 1) / self.epochs) ** self.power
        )


class AverageModel:
    """The exponential moving average of a model's weights; its buffers are those of the model.

    The decay grows from 0.1 over the first steps, so that a short training does not average in its
    random initial weights.
    """

    def __init__(self, model: ClickModel, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self._pairs = list(zip(self.model.parameters(), model.parameters(), strict=True))
        self._buffers = list(zip(self.model.buffers(), model.buffers(), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the weights after optimiser step ``step`` (0 is the first)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(
            [average for average, _ in self._pairs],
            [now.detach() for _, now in self._pairs],
            1 - decay,
        )
        for average, now in self._buffers:
            average.copy_(now)


def groups(model: ClickModel, lr: float) -> list[dict[str, Any]]:
    """The trained parameters of a method with their rates, one group per multiplier."""
    shared: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            shared.setdefault(model.lr_multiplier(name), []).append(parameter)
    return [
        {"params": parameters, "lr": lr * multiplier} for multiplier, parameters in shared.items()
    ]


def check_rate(lr: float) -> None:
    if not lr > 0:
        raise IsegmError(f"lr={lr}: expected a positive learning rate")


def check_betas(betas: Sequence[float]) -> None:
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise IsegmError(
            f"betas={list(betas)}: expected two numbers from 0 to below 1, e.g. [0.9,0.999]"
        )


def check_not_negative(name: str, value: float) -> None:
    if value < 0:
        raise IsegmError(f"{name}={value}: expected at least 0")
