"""Masks as run lengths in COCO's order: column by column, alternating background and object,
starting with background.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isegm.core.errors import IsegmError


def encode(mask: np.ndarray) -> dict[str, list[int]]:
    """``H W`` bool to ``{"size": [H, W], "counts": [...]}``, which pycocotools reads as
    uncompressed RLE.
    """
    column = np.asarray(mask, bool).ravel(order="F")
    borders = np.flatnonzero(column[1:] != column[:-1]) + 1
    counts = np.diff(np.concatenate([[0], borders, [column.size]])).tolist() if column.size else []
    if column.size and column[0]:
        counts = [0, *counts]
    return {"size": list(mask.shape), "counts": counts}


def decode(runs: Any, size: tuple[int, int]) -> np.ndarray:
    """The mask that ``encode`` wrote, ``H W`` bool. ``runs`` is not trusted.

    Raises:
        IsegmError: they are no runs of a mask of ``size`` (rows, columns).
    """
    counts = runs.get("counts") if isinstance(runs, dict) else None
    if not isinstance(counts, list) or runs.get("size") != list(size):
        raise IsegmError(f"expected a mask as runs of size {list(size)}, with a list of counts")
    if not all(type(count) is int and 0 <= count <= size[0] * size[1] for count in counts):
        raise IsegmError(
            "the runs of a mask must be whole numbers, none below 0 or above the number of pixels"
        )
    if sum(counts) != size[0] * size[1]:
        raise IsegmError(
            f"the runs of a mask sum up to {sum(counts)}, expected {size[0]} x {size[1]} pixels"
        )
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(size, order="F")
