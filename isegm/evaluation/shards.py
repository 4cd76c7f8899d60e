"""Evaluation on several processes, as torchrun starts them: each plays its part of the objects, all get the whole result."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch.distributed as dist

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Process ``rank`` of ``count``."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def part(self, indices: Sequence[int]) -> list[int]:
        """Every ``count``-th index: neighbours, which are often alike, are shared out evenly."""
        return list(indices[self.rank :: self.count])

    def wait(self) -> None:
        if self.count > 1:
            dist.barrier()

    def gather(self, value: T) -> list[T]:
        """The values of all processes, on every process."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def summed(self, seconds: dict[str, float]) -> dict[str, float]:
        """Seconds summed over the processes, but for the wall time, which is the longest."""
        parts = self.gather(seconds)
        total = {key: sum(part[key] for part in parts) for key in seconds}
        return total | {"wall": max(part["wall"] for part in parts)}


ALONE = Shard()


@contextmanager
def joined_shard() -> Iterator[Shard]:
    """Join the processes that torchrun started; alone otherwise. Records travel between CPUs, whatever runs the network."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield ALONE
        return
    dist.init_process_group("gloo")
    try:
        yield Shard(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()


def local_rank() -> int:
    """The number of this process among those of this machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))
