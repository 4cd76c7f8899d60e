"""Bilinear resampling of arrays, as ``torch.nn.functional.interpolate`` does it."""

from __future__ import annotations

import numpy as np

from isegm.core import boxes
from isegm.core.boxes import Box


def resize(x: np.ndarray, size: tuple[int, int], aligned: bool = True) -> np.ndarray:
    """Resize ``C H W`` float32; ``x`` itself if it has that size.

    Args:
        aligned: as for ``isegm.core.boxes.resize``.
    """
    if x.shape[-2:] == tuple(size):
        return x
    top, bottom, down = _between(x.shape[-2], size[0], aligned)
    left, right, across = _between(x.shape[-1], size[1], aligned)
    rows = x[:, top] * (1 - down)[:, None] + x[:, bottom] * down[:, None]
    return rows[:, :, left] * (1 - across) + rows[:, :, right] * across


def paste(
    x: np.ndarray,
    box: Box,
    height: int,
    width: int,
    aligned: bool = True,
    around: np.ndarray | None = None,
) -> np.ndarray:
    """Resize ``C h w`` to the box and paste it into ``C height width``: as
    ``isegm.core.boxes.paste``.
    """
    patch = resize(x, (box.height, box.width), aligned)
    if box == boxes.whole(height, width):
        return patch
    out = np.zeros((len(x), height, width), x.dtype) if around is None else around.astype(x.dtype)
    boxes.cut(out, box)[:] = patch
    return out


def _between(source: int, target: int, aligned: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each place along an axis: the two places it lies between, and the share of the second."""
    places = np.arange(target, dtype=np.float32)
    if aligned:
        places *= np.float32((source - 1) / (target - 1) if target > 1 else 0)
    else:
        places = np.maximum((places + np.float32(0.5)) * np.float32(source / target) - 0.5, 0)
        places = places.astype(np.float32)
    first = np.minimum(places.astype(np.int64), source - 1)
    return first, np.minimum(first + 1, source - 1), places - first.astype(np.float32)
