"""Which device and how many threads to use."""

from __future__ import annotations

import torch

from isegm.core.errors import IsegmError


def pick_device(cpu: bool = False, gpu: int | str | None = None) -> torch.device:
    """The CPU if asked for, else the CUDA device ``gpu`` (default 0) if there is one, else the CPU.

    Raises:
        IsegmError: a GPU was named that this machine does not have.
    """
    if cpu or (gpu is None and not torch.cuda.is_available()):
        return torch.device("cpu")
    index = 0 if gpu is None else int(gpu)
    if index >= torch.cuda.device_count():
        raise IsegmError(
            f"--gpus names GPU {index}, but this machine has {torch.cuda.device_count()}; use --cpu or another number"
        )
    return torch.device("cuda", index)
