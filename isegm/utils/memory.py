"""The memory that this process uses on a device, in bytes. On a CPU it is that of the process (0
except on Linux).
"""

from __future__ import annotations

from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
MEMORY = Path("/proc/meminfo")
FORGET = Path("/proc/self/clear_refs")


def used(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    return _kilobytes(STATUS, "VmRSS")


def peak(device: torch.device) -> int:
    """The most that was used since the start, or since ``reset_peak``."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return _kilobytes(STATUS, "VmHWM")


def reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif FORGET.exists():
        FORGET.write_text("5")  # proc(5): the peak resident set size becomes the present one


def total(device: torch.device) -> int:
    """The memory of the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return _kilobytes(MEMORY, "MemTotal")


def available() -> int:
    """The memory of this machine, or of its container, that is free without swapping."""
    free = _kilobytes(MEMORY, "MemAvailable")
    limit, held = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    if limit.exists() and held.exists() and limit.read_text().strip() != "max":
        free = min(free, int(limit.read_text()) - int(held.read_text()))
    return free


def wait(device: torch.device) -> None:
    """Wait until the device is idle."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _kilobytes(path: Path, name: str) -> int:
    lines = path.read_text().splitlines() if path.exists() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
