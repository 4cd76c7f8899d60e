"""Many processes, one training: started here or by torchrun, one device each."""

from __future__ import annotations

import contextlib
import datetime
import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist

from isegm.core.errors import IsegmError
from isegm.utils.device import pick_device

log = logging.getLogger("isegm")
PATIENCE = datetime.timedelta(hours=24)  # a long validation of one process must not look like a dead peer
GRACE_SECONDS, SAVING_SECONDS = 15, 600
STOPPED = 130  # the exit status after Ctrl-C or SIGTERM


@dataclass(frozen=True)
class Process:
    """This process among all of them.

    Attributes:
        rank: 0 .. count - 1; process 0 writes everything.
        control: a gloo group for small host values that keeps the device out of it; None for a single process.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    control: dist.ProcessGroup | None = None

    @property
    def first(self) -> bool:
        return self.rank == 0

    def most(self, value: int) -> int:
        """The largest of the values of all processes."""
        if self.control is None:
            return value
        held = torch.tensor(value)
        dist.all_reduce(held, dist.ReduceOp.MAX, group=self.control)
        return int(held)

    def total(self, values: Sequence[float]) -> list[float]:
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

    def of_first(self, make: Callable[[], Any]) -> Any:
        """What ``make`` returns, called on process 0 only; the others wait for it, and fail with it."""
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
def joined(cpu: bool = False, gpus: Sequence[int] = ()) -> Iterator[Process]:
    """Join the processes that torchrun or ``launch`` started (their environment says so), or be the only one.

    Raises:
        IsegmError: a GPU is missing, or the environment of torchrun is incomplete.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if gpus and local >= len(gpus):
        raise IsegmError(
            f"process {local} of this machine has no GPU: --gpus names {len(gpus)}, {count} processes were started"
        )
    gpu = gpus[local] if gpus else local if count > 1 and torch.cuda.is_available() else None
    device = pick_device(cpu, None if cpu else gpu)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if count == 1:
        yield Process(device=device)
        return
    if missing := [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]:
        raise IsegmError(f"WORLD_SIZE is {count} but {', '.join(missing)} is not set; start with torchrun or --ngpus")
    store, rank, count = next(dist.rendezvous("env://", timeout=datetime.timedelta(minutes=30)))
    # After an elastic restart torchrun's store still holds the addresses of the processes before, which are gone.
    store = dist.PrefixStore(f"attempt{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}of{count}", store)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=datetime.timedelta(minutes=30))
    try:
        control = dist.new_group(backend="gloo", timeout=PATIENCE)
        yield Process(dist.get_rank(), count, device, control)
    finally:
        dist.destroy_process_group()


def processes_here(process: Process) -> int:
    """How many of the processes share this machine."""
    return process.gather(socket.gethostname()).count(socket.gethostname())


def launched() -> bool:
    """Whether this process is already one of many."""
    return "WORLD_SIZE" in os.environ


def launch(work: Callable[..., int], arguments: Sequence[Any], count: int) -> int:
    """Run ``work(*arguments)`` in ``count`` processes of this machine and return the first exit status that is not 0.

    ``work`` finds the usual RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. Signals are passed on as SIGTERM, and
    the processes decide when to leave. When one fails the others are ended, for they would wait for it forever.
    """
    port = _free_port()
    context = multiprocessing.get_context("spawn")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # waiting threads must not keep the others from the cores
    processes = [context.Process(target=_work, args=(work, arguments, rank, count, port)) for rank in range(count)]

    def pass_on(number: int, frame: Any) -> None:
        for process in processes:
            if process.is_alive():
                process.terminate()

    # Installed first: a signal that comes while the processes are being started must not leave orphans behind.
    previous = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for process in processes:
            process.start()
        return _watch(processes)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _watch(processes: list[multiprocessing.Process]) -> int:
    status = 0
    deadline = float("inf")
    while any(process.is_alive() for process in processes):
        time.sleep(0.1)
        failed = next((p.exitcode for p in processes if p.exitcode), 0)
        if failed and not status:
            stopped = failed == STOPPED  # it has agreed on that with the others, and they may still be saving
            status, deadline = failed, time.monotonic() + (SAVING_SECONDS if stopped else GRACE_SECONDS)
            for process in processes:
                if process.is_alive() and not stopped:
                    process.terminate()
        if time.monotonic() > deadline:
            for process in processes:
                process.kill()
    return status or next((p.exitcode for p in processes if p.exitcode), 0)


def _work(work: Callable[..., int], arguments: Sequence[Any], rank: int, count: int, port: int) -> None:
    # Ctrl-C reaches every process of the terminal; only the SIGTERM that the parent passes on counts, or it would count twice.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in names.items()})
    raise SystemExit(work(*arguments))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
