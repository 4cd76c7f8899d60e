"""The processes that torchrun or ``launch`` started: ranks and collectives."""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist

from isegm.core.errors import IsegmError

PATIENCE = datetime.timedelta(hours=24)  # a long validation on rank 0 is no dead peer
MEETING = datetime.timedelta(minutes=30)


def launched() -> bool:
    """Whether torchrun or ``launch`` started this process."""
    return "WORLD_SIZE" in os.environ


def world_size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this process among all; known even before they have joined."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """The number of this process among those of this machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@dataclass(frozen=True)
class Process:
    """This process among all of them; without a group it is the only one.

    Attributes:
        rank: 0 .. count - 1; rank 0 writes everything.
        control: a gloo group for small values in host memory.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    control: dist.ProcessGroup | None = None

    @property
    def first(self) -> bool:
        return self.rank == 0

    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.control is not None:
            dist.barrier(group=self.control)

    def all_reduce_max(self, value: int) -> int:
        """The largest of the values of all processes."""
        if self.control is None:
            return value
        held = torch.tensor(value)
        dist.all_reduce(held, dist.ReduceOp.MAX, group=self.control)
        return int(held)

    def all_reduce_sum(self, values: Sequence[float]) -> list[float]:
        """The sums over all processes, value by value."""
        held = torch.tensor(values, dtype=torch.float64)
        if self.control is not None:
            dist.all_reduce(held, group=self.control)
        return held.tolist()

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes in the order of their ranks, on every process."""
        if self.control is None:
            return [value]
        gathered = [None] * self.count
        dist.all_gather_object(gathered, value, group=self.control)
        return gathered

    def broadcast_from_rank0(self, make: Callable[[], Any]) -> Any:
        """The result of ``make`` on rank 0; the others wait for it, and fail if it fails."""
        if self.control is None:
            return make()
        held: list[Any] = [None]
        failure: BaseException | None = None
        if self.first:
            try:
                held = [(True, make())]
            except Exception as error:
                failure, held = error, [(False, str(error))]
        dist.broadcast_object_list(held, group=self.control, src=0)
        if failure is not None:
            raise failure
        done, value = held[0]
        if not done:
            raise IsegmError(f"process 0 failed: {value}")
        return value


@contextlib.contextmanager
def joined(device: torch.device, backend: str | None = None) -> Iterator[Process]:
    """Join the processes that the environment describes, or be the only one.

    Args:
        device: where this process computes.
        backend: of the default group (default: nccl for a GPU, gloo for a CPU).

    Raises:
        IsegmError: the environment of torchrun is incomplete.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    count = world_size()
    if count == 1:
        yield Process(device=device)
        return
    if missing := [n for n in ("RANK", "MASTER_ADDR", "MASTER_PORT") if n not in os.environ]:
        raise IsegmError(
            f"WORLD_SIZE is {count} but {', '.join(missing)} is not set; start with torchrun or"
            " --ngpus"
        )
    store, number, count = next(dist.rendezvous("env://", timeout=MEETING))
    # After an elastic restart torchrun's store still holds addresses of processes that are gone.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)
    store = dist.PrefixStore(f"attempt{attempt}of{count}", store)
    backend = backend or ("nccl" if device.type == "cuda" else "gloo")
    dist.init_process_group(backend, store=store, rank=number, world_size=count, timeout=MEETING)
    try:
        control = dist.new_group(backend="gloo", timeout=PATIENCE)
        yield Process(dist.get_rank(), count, device, control)
    finally:
        dist.destroy_process_group()


def processes_here(process: Process) -> int:
    """How many of the processes share this machine."""
    return process.gather(socket.gethostname()).count(socket.gethostname())
