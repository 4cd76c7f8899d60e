"""The interface of simulated users in training. Users are frozen; randomness is passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
from torch import Tensor

from isegm.core.clicks import Clicks
from isegm.core.errors import IsegmError
from isegm.training.batches import Key
from isegm.training.corrections import next_clicks
from isegm.utils.processes import Process


class Memory:
    """A user's memory between batches. This one remembers nothing; subclasses do."""

    def batches(self, planned: Iterable[list[Key]]) -> Iterable[list[Key]]:
        """The batches of keys to load instead of the planned ones."""
        return planned

    def continued(self, clicks: Clicks, keys: Sequence[Key]) -> Clicks:
        """The sampled clicks of a batch and those that its objects have got since."""
        return clicks

    def learn(
        self,
        keys: Sequence[Key],
        logits: Tensor,
        target: Tensor,
        clicks: Clicks,
        pool: Executor | None = None,
    ) -> None:
        """Remember a batch and its answers.

        Args:
            logits, target: ``B 1 H W``.
            clicks: those that the answers had.
        """

    def end_epoch(self, process: Process) -> None:
        """Called after every epoch, by every process."""

    def state_dict(self, process: Process) -> dict[str, Any]:
        """Plain values; every process must call it."""
        return {}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore the output of ``state_dict``."""


class SimulatedUser:
    """A user's behavior during training. A subclass is a frozen dataclass of its settings.

    Attributes:
        max_rounds: the most corrections before the round that is learned from.
        threshold: a pixel counts as object above this probability and as background below it.
    """

    max_rounds: int = 0
    threshold: float = 0.49

    def rounds(self, seed: int, step: int, several: Callable[[], bool] = lambda: False) -> int:
        """The number of corrections of one global batch; the same on every process, for equal work.

        Args:
            several: whether every sample of the global batch has several positive clicks. It is a
                collective: if one process calls it, all must.
        """
        return 0

    def restarts(self, seed: int, step: int) -> bool:
        """Whether a global batch starts as for a user, with one click on an empty answer."""
        return False

    def next_clicks(
        self,
        prob: Tensor,
        target: Tensor,
        rngs: Sequence[np.random.Generator],
        pool: Executor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The user's next clicks; arguments and result as in ``corrections.next_clicks``."""
        return next_clicks(prob, target, rngs, self.threshold, pool)

    def memory(self, seed: int, dataset: Any) -> Memory:
        """The user's memory for a training on a data set."""
        return Memory()


def check_rounds(max_rounds: int) -> None:
    if max_rounds < 0:
        raise IsegmError(f"max_rounds={max_rounds}: expected at least 0")


def check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise IsegmError(f"{name}={value}: expected a number from 0 to 1")
