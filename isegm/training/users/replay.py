"""Replay: an object returns in a later epoch, in the same crop and with one more click.

Source: FCA-Net (CVPR 2020), section 3.4, and its training code.

# differs from the original: it keeps crops and clicks in a global variable of the data workers.
Here an item depends only on its key, so an object is replayed by loading the key it was first seen
under. Clicks of one epoch are used from the next epoch on, in all processes, and are part of the
checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from isegm.core.clicks import NEGATIVE, PADDING, POSITIVE, Click, Clicks
from isegm.training.batches import Key
from isegm.training.users.base import Memory, SimulatedUser, check_probability
from isegm.utils.depth import deepest
from isegm.utils.processes import Process


class Indexed(Protocol):
    """A data set that knows which image an item shows."""

    def index_of(self, epoch: int, position: int) -> int: ...


@dataclass(frozen=True)
class Record:
    """An object as last shown: the key of its crop and sampled clicks, and the clicks since then
    (y, x, label).
    """

    key: Key
    clicks: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class Replaying(SimulatedUser):
    """No corrections within a batch; after each step every object gets one click, with which it
    returns.

    Attributes:
        replay: probability that an object shown in an earlier epoch returns with its clicks.
        answer_threshold: the probability above which a pixel of the answer counts as object.

    Raises:
        IsegmError: a number outside [0, 1].
    """

    replay: float = 0.7
    answer_threshold: float = 0.2

    def __post_init__(self) -> None:
        for name in ("replay", "answer_threshold"):
            check_probability(name, getattr(self, name))

    def memory(self, seed: int, dataset: Indexed) -> ObjectMemory:
        return ObjectMemory(self, seed, dataset)


class ObjectMemory(Memory):
    """Remembers every object by the number of its image.

    Args:
        seed: of the choice of what is replayed.
        dataset: knows which image an item shows.
    """

    def __init__(self, user: Replaying, seed: int, dataset: Indexed) -> None:
        self.user, self.seed, self.dataset = user, seed, dataset
        self.records: dict[int, Record] = {}
        # Of this epoch, by position: the image and its record.
        self._learned: dict[int, tuple[int, Record]] = {}

    def batches(self, planned: Iterable[list[Key]]) -> ReplayedBatches:
        return ReplayedBatches(self, planned)

    def record_of(self, key: Key) -> Record:
        """The record to show for a key: that of its object, or a new one."""
        known = self.records.get(self.dataset.index_of(*key))
        # The 2 distinguishes this generator from those of the data.
        rng = np.random.default_rng([self.seed, *key, 2])
        return known if known is not None and rng.random() < self.user.replay else Record(key)

    def continued(self, clicks: Clicks, keys: Sequence[Key]) -> Clicks:
        made = [self.record_of(key).clicks for key in keys]
        later = [Clicks.of([Click(y, x, sign == POSITIVE) for y, x, sign in each]) for each in made]
        later = Clicks.cat(later)
        return clicks.append(later.yx, later.label)

    def learn(
        self,
        keys: Sequence[Key],
        logits: Tensor,
        target: Tensor,
        clicks: Clicks,
        pool: Executor | None = None,
    ) -> None:
        """Add one click to each object of a batch, on the largest error in training mode."""
        answers = (logits.float().sigmoid() > self.user.answer_threshold)[:, 0].cpu().numpy()
        wanted = target[:, 0].cpu().numpy()
        made = (pool.map if pool else map)(correction, answers, wanted, _listed(clicks))
        for key, click in zip(keys, made, strict=True):
            record = self.record_of(key)
            shown = Record(record.key, (*record.clicks, *([] if click is None else [click])))
            self._learned[key[1]] = self.dataset.index_of(*key), shown

    def end_epoch(self, process: Process) -> None:
        """Use the clicks of this epoch from now on; every process must call it."""
        learned = self._learned_by_all(process)
        # By position, so that of an image drawn twice the later record wins, on whatever process.
        self.records |= {index: record for _, (index, record) in sorted(learned.items())}
        self._learned = {}

    def state_dict(self, process: Process) -> dict[str, Any]:
        learned = self._learned_by_all(process)
        return {
            "records": {
                index: (record.key, record.clicks) for index, record in self.records.items()
            },
            "learned": {
                position: (index, (record.key, record.clicks))
                for position, (index, record) in learned.items()
            },
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self.records = {index: Record(*values) for index, values in saved["records"].items()}
        self._learned = {
            position: (index, Record(*values))
            for position, (index, values) in saved["learned"].items()
        }

    def _learned_by_all(self, process: Process) -> dict[int, tuple[int, Record]]:
        together: dict[int, tuple[int, Record]] = {}
        for part in process.gather(self._learned):
            together |= part
        return together


class ReplayedBatches:
    """Iterable over batches of keys; replayed objects have the keys they were first seen under."""

    def __init__(self, memory: ObjectMemory, planned: Iterable[list[Key]]) -> None:
        self.memory, self.planned = memory, planned

    def __len__(self) -> int:
        return len(self.planned)

    def __iter__(self) -> Iterator[list[Key]]:
        for keys in self.planned:
            yield [self.memory.record_of(key).key for key in keys]


def correction(
    mask: np.ndarray, wanted: np.ndarray, clicked: Sequence[Click]
) -> tuple[int, int, int] | None:
    """The click (y, x, label) on the deepest error of an answer; None without an unclicked error.

    Args:
        mask: the answer, ``H W`` bool.
        wanted: ``H W``, object above 0.5, -1 = ignored.
        clicked: the clicks so far, whose pixels are excluded.
    """
    missed = deepest((wanted > 0.5) & ~mask, clicked)
    extra = deepest((wanted >= 0) & (wanted <= 0.5) & mask, clicked)
    if not max(missed[0], extra[0]):
        return None
    positive = missed[0] > extra[0]
    _, y, x = missed if positive else extra
    return y, x, POSITIVE if positive else NEGATIVE


def _listed(clicks: Clicks) -> list[list[Click]]:
    """The clicks of each sample, without padding."""
    rows = zip(clicks.yx.tolist(), clicks.label.tolist(), strict=True)
    return [
        [
            Click(y, x, label == POSITIVE)
            for (y, x), label in zip(*row, strict=True)
            if label != PADDING
        ]
        for row in rows
    ]
