"""Deterministic weights and inputs under which the original networks were run once; their outputs
are the goldens.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import Tensor

from isegm.core.clicks import Click, Clicks
from isegm.core.rounds import Round
from isegm.methods.base import ClickModel
from isegm.originals.published import Published

CLICKS = [Click(20, 30, True), Click(90, 40, False), Click(60, 80, True)]


def golden_tensor(key: str, shape: tuple[int, ...]) -> Tensor:
    """The value of the tensor that the original code base calls ``key``."""
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if key.endswith(".scale"):
        return torch.full(shape, 0.05)
    noise = _noise(zlib.crc32(key.encode()), int(np.prod(shape)))
    if key.endswith("running_mean"):
        values = 0.1 * noise
    elif key.endswith("running_var"):
        values = 1 + 0.1 * noise
    elif key.endswith(("cls_token", "pos_embed")):
        values = 0.02 * noise
    elif len(shape) == 1:
        values = 1 + 0.1 * noise if key.endswith("weight") else 0.1 * noise
    else:
        values = noise * np.sqrt(1.5 / (noise.size / shape[0]))
    return torch.from_numpy(values.reshape(shape).astype(np.float32))


def with_golden_weights(model: ClickModel) -> ClickModel:
    """The network itself, in eval mode; its answers are soft."""
    tensors = model.state_dict()
    model.load_state_dict({key: golden_tensor(key, tuple(v.shape)) for key, v in tensors.items()})
    return model.eval()


def golden_round(height: int = 96, width: int = 128) -> Round:
    y, x = np.mgrid[:height, :width].astype(np.float64)
    image = np.stack([0.5 + 0.5 * np.sin(0.05 * (c + 1) * x + 0.03 * y + c) for c in range(3)])
    prev = 0.5 + 0.5 * np.sin(0.02 * (x + y))
    as_tensor = [torch.from_numpy(a.astype(np.float32)) for a in (image[None], prev[None, None])]
    return Round(as_tensor[0], Clicks.of(CLICKS), as_tensor[1])


def statistics(logits: Tensor) -> list[float]:
    """Mean, standard deviation, minimum, maximum, value at [10, 10] and in the centre."""
    plane = logits[0, 0].double()
    centre = plane[plane.shape[0] // 2, plane.shape[1] // 2]
    return [
        float(v)
        for v in (
            plane.mean(),
            plane.std(correction=0),
            plane.min(),
            plane.max(),
            plane[10, 10],
            centre,
        )
    ]


def _noise(seed: int, count: int) -> np.ndarray:
    """Hashed indices in [-1, 1), by arithmetic modulo 2**32."""
    low = np.uint64(0xFFFFFFFF)
    h = (
        np.arange(count, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(seed * 40503 + 12345)
    ) & low
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(2246822519)) & low
    h ^= h >> np.uint64(13)
    return h.astype(np.float64) / 2**31 - 1


def published_shapes(published: Published, state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """What a file of an original code base holds for a model of this state dict."""
    named = published.keys.to_published(state)
    return {key: tuple(value.shape) for key, value in named.items()} | dict(published.unused)


def unused_size(published: Published) -> int:
    """How many numbers such a file holds that no layer uses."""
    return sum(math.prod(shape) for shape in published.unused.values())
