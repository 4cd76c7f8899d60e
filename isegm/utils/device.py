"""Choosing a device, and preparing a CPU."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator, Sequence

import torch

from isegm.core.errors import IsegmError
from isegm.utils.processes import local_rank, world_size

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def pick_device(
    cpu: bool = False, gpu: int | str | None = None, keep_memory: bool = True
) -> torch.device:
    """The CPU if asked for, else the CUDA device ``gpu`` (default 0) if there is one, else the CPU.

    Args:
        keep_memory: on a CPU, also ``keep_freed_memory``.

    Raises:
        IsegmError: a GPU was named that this machine does not have.
    """
    if cpu or (gpu is None and not torch.cuda.is_available()):
        if keep_memory:
            keep_freed_memory()
        return torch.device("cpu")
    try:
        index = 0 if gpu is None else int(gpu)
    except ValueError:
        raise IsegmError(f"--gpus {gpu}: expected the number of one GPU, e.g. 0") from None
    if index >= torch.cuda.device_count():
        raise IsegmError(
            f"--gpus names GPU {index}, but this machine has {torch.cuda.device_count()}; use --cpu"
            " or another number"
        )
    return torch.device("cuda", index)


def device_of_process(cpu: bool = False, gpus: Sequence[int] = ()) -> torch.device:
    """The device of this process, if every process of a machine has its own.

    Args:
        gpus: the GPUs of this machine to use, in the order of its processes (default: all).

    Raises:
        IsegmError: there are more processes than ``gpus``, or a GPU is missing.
    """
    local, count = local_rank(), world_size()
    if gpus and local >= len(gpus):
        raise IsegmError(
            f"process {local} of this machine has no GPU: --gpus names {len(gpus)}, {count}"
            " processes were started"
        )
    if cpu:
        return pick_device(cpu)
    if gpus:
        return pick_device(gpu=gpus[local])
    return pick_device(gpu=local if count > 1 and torch.cuda.is_available() else None)


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for the next allocation instead of returning it to the system;
    True if it will.

    By default every feature map of more than a few hundred kilobytes is mapped, cleared page by
    page and unmapped again, which can cost more than the convolution that fills it: a training step
    of HRNet-18s was measured to be several times slower. Does nothing except on Linux with glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    options = {M_MMAP_THRESHOLD: 1 << 30, M_TRIM_THRESHOLD: (1 << 31) - 1}
    return all(mallopt(name, value) for name, value in options.items())


def release_freed_memory() -> bool:
    """Return freed memory to the system now, also after ``keep_freed_memory``; True if there was
    any. Does nothing except on Linux with glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return bool(trim(0)) if trim is not None else False


@contextlib.contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Let GPUs round the factors of float32 products to 10 bits, or forbid it; for all threads.
    Torch's default is to allow it in convolutions alone.
    """
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


SLOW_BF16 = (
    "this CPU has no bfloat16 in hardware: it takes many times as long as float32; leave out bf16"
)
EMULATED_BF16 = "this GPU has no bfloat16 in hardware, which is slow; use fp16 or float32"


def native_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is computed in hardware; where it is not, it is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # torch has no public function for CPUs.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
