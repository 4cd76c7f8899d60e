"""Annotation tables for large data sets, kept so that data workers share them instead of copying them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import torch


class Ragged:
    """A read-only list of number arrays of unequal length, stored end to end.

    A list of millions of small Python objects is copied into every data worker, sooner (spawn) or later (fork, as reference
    counts are written). This is two tensors: forked workers share their pages, spawned ones their shared memory.
    """

    def __init__(self, rows: Iterable[Sequence[float]], dtype: np.dtype | type) -> None:
        rows = [np.asarray(row, dtype) for row in rows]
        self._values = torch.from_numpy(np.concatenate([*rows, np.empty(0, dtype)]))
        self._ends = torch.from_numpy(np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        return self._values[int(self._ends[index]) : int(self._ends[index + 1])].numpy()


class Texts:
    """A read-only list of strings, stored as ``Ragged``."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._bytes = Ragged((np.frombuffer(text.encode(), np.uint8) for text in texts), np.uint8)

    def __len__(self) -> int:
        return len(self._bytes)

    def __getitem__(self, index: int) -> str:
        return self._bytes[index].tobytes().decode()


def paint_layers(masks: Sequence[np.ndarray], height: int, width: int) -> tuple[list[np.ndarray], list[tuple[int, int]]]:
    """Draw objects that may overlap into as few label layers as a greedy search finds, large objects first.

    Args:
        masks: ``H W`` uint8 arrays, nonzero = object.

    Returns:
        At least one ``H W`` uint8 layer, and the (layer, label) of every mask in the order given.
    """
    layers, counts = [np.zeros((height, width), np.uint8)], [0]
    places: list[tuple[int, int]] = [(0, 0)] * len(masks)
    areas = [cv2.countNonZero(mask) for mask in masks]
    for index in sorted(range(len(masks)), key=lambda i: -areas[i]):
        x, y, w, h = cv2.boundingRect(masks[index])
        window = np.s_[y : y + h, x : x + w]
        part = masks[index][window].astype(bool)
        free = (i for i, layer in enumerate(layers) if counts[i] < 255 and not layer[window][part].any())
        chosen = next(free, None)
        if chosen is None:
            layers.append(np.zeros((height, width), np.uint8))
            counts.append(0)
            chosen = len(layers) - 1
        counts[chosen] += 1
        layers[chosen][window][part] = counts[chosen]
        places[index] = (chosen, counts[chosen])
    return layers, places
