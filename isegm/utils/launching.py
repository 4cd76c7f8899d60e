"""``--ngpus N`` and ``--gpus 0,1``: processes of this machine, one per device.

Why not torch's elastic launcher, which torchrun starts: it passes Ctrl-C on as a second SIGINT to
processes that the terminal has already signaled, and once one process has saved and exited, it
kills those that are still saving after 30 seconds, whatever its timeout (torch 2.14).
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

GRACE_SECONDS, SAVING_SECONDS = 15, 600
STOPPED = 130  # the exit status after Ctrl-C or SIGTERM
LOST, LOST_TURNS = 1, 10  # of a process that lost another one, or had an error of the program
ORPHANED = 137  # of a process that did not stop when its parent was killed


def launch(work: Callable[..., int], arguments: Sequence[Any], count: int) -> int:
    """Run ``work(*arguments)`` in ``count`` processes of this machine.

    Each process has the usual RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT. Signals
    are passed on as SIGTERM, and the processes decide when to exit. When one fails, the others are
    ended, because they would wait for it forever. When this process is killed, they stop as after a
    signal.

    Returns:
        The exit status of the process that failed first, or of another one that says what went
        wrong where the first only lost its peer; 0 if none failed.
    """
    port = _free_port()
    context = multiprocessing.get_context("spawn")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    # Waiting threads must not keep the others from the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    processes = [
        context.Process(target=_work, args=(work, arguments, rank, count, port))
        for rank in range(count)
    ]

    asked, signalled = [], set()

    def pass_on(number: int, frame: Any) -> None:
        asked.append(number)
        for process in processes:
            if process.is_alive():
                process.terminate()
                signalled.add(process)

    # Installed first: a signal while processes are being started must not leave orphans behind.
    previous = {
        number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        for process in processes:
            if not asked:
                process.start()
        # A process that was being started when the signal came was not known to be alive yet.
        for process in processes:
            if asked and process not in signalled and process.is_alive():
                process.terminate()
        return _watch(processes) or (STOPPED if asked and processes[-1].pid is None else 0)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _watch(processes: list[multiprocessing.Process]) -> int:
    status, lost = 0, 0
    deadline = float("inf")
    while any(process.is_alive() for process in processes):
        time.sleep(0.1)
        failed = [p.exitcode for p in processes if p.exitcode]
        if set(failed) == {LOST} and lost < LOST_TURNS:
            lost += 1  # the one that it lost may be about to end, and its status says more
            continue
        if failed and not status:
            status = _cause(failed)
            # After a signal all processes agree to stop, and some may still be saving.
            stopped = status == STOPPED
            deadline = time.monotonic() + (SAVING_SECONDS if stopped else GRACE_SECONDS)
            for process in processes:
                if process.is_alive() and not stopped:
                    process.terminate()
        if time.monotonic() > deadline:
            for process in processes:
                process.kill()
    return status or _cause([p.exitcode for p in processes if p.exitcode])


def _cause(failed: list[int]) -> int:
    """The status to end with: that of a process which knows what went wrong, if there is one."""
    return next((code for code in failed if code != LOST), LOST if failed else 0)


def _work(
    work: Callable[..., int], arguments: Sequence[Any], rank: int, count: int, port: int
) -> None:
    # Ctrl-C reaches every process of the terminal, and the parent passes it on as SIGTERM, too. It
    # must count only once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    names = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": count,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    os.environ.update({name: str(value) for name, value in names.items()})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    raise SystemExit(work(*arguments))


def _end_with_parent() -> None:
    """When the parent dies, even of SIGKILL, this process is asked to stop, as by a signal that the
    parent passes on; and it ends if it does not.
    """
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SAVING_SECONDS)
    os._exit(ORPHANED)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
