"""Weights and inputs drawn from generators seeded by names, under which other original networks
were run once.

The second set of goldens beside ``golden.py``: FCFI, EMC-Click, ClickAttention and FCA-Net.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from isegm.core.clicks import Click, Clicks

CLICKS = [Click(40, 90, True), Click(20, 30, False), Click(70, 120, True)]
SESSION = [Click(120, 160, True), Click(60, 200, True), Click(30, 40, False), Click(150, 100, True)]


def generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def golden_tensor(
    key: str, shape: tuple[int, ...], gain: Callable[[str], float] = lambda key: 1.0
) -> Tensor:
    """The value of the tensor that the original code base calls ``key``."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if key.endswith(".scale"):
        return torch.full(shape, 0.05)
    rng = generator(key)
    if key.endswith("running_var"):
        values = 0.5 + rng.random(shape)
    elif key.endswith("running_mean"):
        values = 0.1 * rng.standard_normal(shape)
    elif len(shape) >= 2:
        values = rng.standard_normal(shape) * gain(key) / np.sqrt(np.prod(shape[1:]))
    else:
        values = (1.0 if key.endswith("weight") else 0.0) + 0.1 * rng.standard_normal(shape)
    return torch.from_numpy(np.asarray(values, np.float32).reshape(shape))


def golden_array(name: str, shape: tuple[int, ...]) -> Tensor:
    """Uniform in [0, 1): the images and previous masks."""
    return torch.from_numpy(generator(name).random(shape).astype(np.float32))


def golden_clicks(samples: Sequence[Sequence[Click]] = (CLICKS,)) -> Clicks:
    return Clicks.cat([Clicks.of(clicks) for clicks in samples])


def golden_image() -> np.ndarray:
    """``240 320 3`` uint8: the image of the session goldens."""
    return generator("img_u8").integers(0, 256, (240, 320, 3), dtype=np.uint8)


def fingerprint(values: Tensor) -> list[float]:
    """Mean, standard deviation and five probes."""
    flat = values.detach().double().flatten()
    n = len(flat)
    probes = [float(flat[i]) for i in (0, n // 3, n // 2, 2 * n // 3 + 7, n - 1)]
    return [float(flat.mean()), float(flat.std(correction=0)), *probes]
