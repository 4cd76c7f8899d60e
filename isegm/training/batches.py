"""Which process loads which samples: the same global batches whatever the number of processes and workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from isegm.core.errors import IsegmError

Key = tuple[int, int]


class GlobalBatches:
    """Batch b of an epoch is positions b*G .. (b+1)*G - 1; process r of n loads the r-th of n equal slices of it.

    Args:
        length: positions per epoch; what does not fill a last batch is left out.
        batch_size: G, over all processes.

    Raises:
        IsegmError: the batch cannot be shared out equally, or the data does not fill one.
    """

    def __init__(self, length: int, batch_size: int, rank: int = 0, count: int = 1) -> None:
        if batch_size % count:
            raise IsegmError(
                f"a batch of {batch_size} cannot be shared out equally over {count} processes; change --batch-size"
            )
        if length < batch_size:
            raise IsegmError(f"an epoch has {length} samples, less than one batch of {batch_size}; use a smaller --batch-size")
        self.batches = length // batch_size
        self.batch_size, self.share, self.rank = batch_size, batch_size // count, rank
        self.epoch = self.start = 0

    def __len__(self) -> int:
        return self.batches - self.start

    def __iter__(self) -> Iterator[list[Key]]:
        for batch in range(self.start, self.batches):
            first = batch * self.batch_size + self.rank * self.share
            yield [(self.epoch, position) for position in range(first, first + self.share)]


class EpochLoader:
    """Batches of a data set, from any point of any epoch."""

    def __init__(self, dataset: Dataset, batches: GlobalBatches, workers: int, pin: bool) -> None:
        self.batches = batches
        workers = min(4, os.cpu_count() or 1) if workers < 0 else workers
        self._loader = DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=workers,
            pin_memory=pin,
            worker_init_fn=_start_worker,
            persistent_workers=workers > 0,
            # Its own generator: the loader draws from it whenever it starts, and must not disturb the training's.
            generator=torch.Generator(),
        )

    def epoch(self, epoch: int, start: int = 0) -> Iterator[dict[str, torch.Tensor]]:
        """The batches of an epoch of this process, beginning with number ``start``."""
        self.batches.epoch, self.batches.start = epoch, start
        return iter(self._loader)


def held_out(length: int, batch_size: int, rank: int, count: int) -> Iterator[tuple[int, list[Key]]]:
    """(number of the global batch, keys of this process) for one pass over validation data, nothing left out.

    The epoch is always 0: each validation sees the same samples.
    """
    for number, first in enumerate(range(0, length, batch_size)):
        keys = [(0, position) for position in range(first, min(first + batch_size, length)) if position % count == rank]
        if keys:
            yield number, keys


def _start_worker(worker: int) -> None:
    # Ctrl-C and SIGTERM reach the whole process group; the training process decides when to stop and ends its workers.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(0)
