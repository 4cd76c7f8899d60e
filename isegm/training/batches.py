"""Which process loads which samples: global batches do not depend on the number of processes and
workers.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from isegm.core.errors import IsegmError
from isegm.training.stopping import ignore_stops, stops_held_back

Key = tuple[int, int]
Batch = dict[str, torch.Tensor]


class GlobalBatches:
    """Batch b of an epoch is positions b*G .. (b+1)*G - 1; process r of n loads the r-th of n equal
    slices of it.

    Args:
        length: positions per epoch; an incomplete last batch is dropped.
        batch_size: G, over all processes.

    Raises:
        IsegmError: the batch cannot be split equally, or there is less data than one batch.
    """

    def __init__(self, length: int, batch_size: int, rank: int = 0, count: int = 1) -> None:
        if batch_size % count:
            raise IsegmError(
                f"a batch of {batch_size} cannot be split equally over {count} processes;"
                " change --batch-size"
            )
        if length < batch_size:
            raise IsegmError(
                f"an epoch has {length} samples, less than one batch of {batch_size}; use a smaller"
                " --batch-size"
            )
        self.batches = length // batch_size
        self.batch_size, self.share, self.rank = batch_size, batch_size // count, rank
        self.epoch = self.start = 0

    def __len__(self) -> int:
        return self.batches - self.start

    def __iter__(self) -> Iterator[list[Key]]:
        for batch in range(self.start, self.batches):
            yield self.keys(batch)

    def keys(self, batch: int) -> list[Key]:
        """This process's keys of a batch of the current epoch."""
        first = batch * self.batch_size + self.rank * self.share
        return [(self.epoch, position) for position in range(first, first + self.share)]


def part_size(share: int, micro_batch: int | None) -> int:
    """The number of the ``share`` samples of a process that go through the network at once; None:
    all.

    Raises:
        IsegmError: the share is not a multiple of the micro-batch.
    """
    if not micro_batch or micro_batch >= share:
        return share
    if share % micro_batch:
        fitting = max(size for size in range(1, micro_batch) if share % size == 0)
        raise IsegmError(
            f"the {share} samples of a process cannot be split into equal micro-batches of"
            f" {micro_batch}; use e.g. --micro-batch {fitting}"
        )
    return micro_batch


class Loader:
    """Loads batches of a data set in worker processes; it can be iterated over several times.

    Args:
        batches: yields the keys of one batch after another.
        workers: None for min(4, cores); 0 loads in this process.
        device: where batches will be copied to; for a GPU they lie in page-locked memory.
    """

    def __init__(
        self,
        dataset: Dataset,
        batches: Iterable[list[Key]],
        workers: int | None,
        device: torch.device,
    ) -> None:
        self._running: Iterator[Batch] | None = None
        workers = worker_count(workers)
        self._loader = DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            worker_init_fn=_start_worker,
            # A spawned process would also spawn its workers, which is slow, and they could not see
            # what a script defines.
            multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
            persistent_workers=workers > 0,
            # Its own generator: the loader draws from it at each start, which must not change the
            # training.
            generator=torch.Generator(),
        )

    def __iter__(self) -> Iterator[Batch]:
        # A stop request would kill a data process that does not yet ignore it, and so the training.
        with stops_held_back():
            self._running = iter(self._loader)
        try:
            yield from self._running
        except IsegmError as error:
            # The message of an error from a worker contains the worker's traceback.
            message = str(error).rpartition(f"{type(error).__name__}: ")[2].strip()
            raise IsegmError(message) from error
        except (ConnectionError, EOFError) as error:  # killed while handing over a batch
            raise dead_worker(error) from error

    def close(self) -> None:
        """End the workers. At exit Python would wait for them forever, since they ignore its
        SIGTERM.
        """
        # torch has no public way to do this, and a loader without workers lacks the method.
        with contextlib.suppress(RuntimeError):  # a worker died before; see ``deaths_explained``
            getattr(self._running, "_shutdown_workers", lambda: None)()


@contextlib.contextmanager
def deaths_explained() -> Iterator[None]:
    """Explain the death of a data process, which torch reports wherever the training is at that
    moment.

    Raises:
        IsegmError: instead of torch's error.
    """
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise dead_worker(error) from error


def dead_worker(error: Exception) -> IsegmError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return IsegmError(
        f"a data process died ({reason}). The memory of the machine or /dev/shm may be too small:"
        " use fewer --workers (0 needs"
        " no shared memory). To continue from the last checkpoint, add --resume auto"
    )


def worker_count(workers: int | None) -> int:
    """``Training.workers`` as a number: None is min(4, cores)."""
    return min(4, os.cpu_count() or 1) if workers is None else workers


def held_out(length: int, batch_size: int, rank: int, count: int) -> Iterator[list[Key]]:
    """The keys of this process in every global batch, for one pass over all validation data; in
    the last one a process may have none.

    The epoch is always 0, so every validation sees the same samples.
    """
    for first in range(0, length, batch_size):
        yield [
            (0, position)
            for position in range(first, min(first + batch_size, length))
            if position % count == rank
        ]


def _start_worker(worker: int) -> None:
    # Signals reach the whole process group; the training process decides when to stop.
    ignore_stops()
    cv2.setNumThreads(0)
