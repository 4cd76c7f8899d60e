"""Masks that are kept for long, a bit per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PackedMask:
    """A mask that is kept as bits: an eighth of the memory of an array of bool.

    Attributes:
        bits: the pixels row by row, eight to a byte, the first one in the highest bit.
        size: rows and columns.
        area: the number of pixels in the mask.
    """

    bits: bytes
    size: tuple[int, int]
    area: int

    @classmethod
    def of(cls, mask: np.ndarray) -> PackedMask:
        """Pack ``H W`` bool."""
        rows, columns = mask.shape
        return cls(np.packbits(mask).tobytes(), (rows, columns), int(np.count_nonzero(mask)))

    @property
    def pixels(self) -> np.ndarray:
        """``H W`` bool, unpacked anew on every access."""
        rows, columns = self.size
        bits = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=rows * columns)
        return bits.reshape(rows, columns).view(bool)
