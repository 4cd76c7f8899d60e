"""How much memory this process uses on a device, in bytes; on a CPU it is the process's own (Linux;
elsewhere 0).
"""

from __future__ import annotations

from pathlib import Path

import torch

STATUS, MEMORY, FORGET = (
    Path("/proc/self/status"),
    Path("/proc/meminfo"),
    Path("/proc/self/clear_refs"),
)


def used(device: torch.device) -> int:
    return (
        torch.cuda.memory_reserved(device) if device.type == "cuda" else _kilobytes(STATUS, "VmRSS")
    )


def peak(device: torch.device) -> int:
    """The most that was used since the start, or since ``reset_peak``."""
    return (
        torch.cuda.max_memory_reserved(device)
        if device.type == "cuda"
        else _kilobytes(STATUS, "VmHWM")
    )


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif FORGET.exists():
        FORGET.write_text("5")  # proc(5): the peak resident set size becomes the present one


def total(device: torch.device) -> int:
    """The memory of the device."""
    return (
        torch.cuda.get_device_properties(device).total_memory
        if device.type == "cuda"
        else _kilobytes(MEMORY, "MemTotal")
    )


def available() -> int:
    """What processes of this machine can still take without swapping; a container's own limit
    counts too.
    """
    free = _kilobytes(MEMORY, "MemAvailable")
    limit, held = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    if limit.exists() and held.exists() and limit.read_text().strip() != "max":
        free = min(free, int(limit.read_text()) - int(held.read_text()))
    return free


def wait(device: torch.device) -> None:
    """Wait until the device has done everything it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _kilobytes(path: Path, name: str) -> int:
    lines = path.read_text().splitlines() if path.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
