"""Picture hashes: whether two files show the same photograph, whatever their size and compression.

The difference hash: for every pixel of a gray picture of 16 x 17 pixels, whether its right neighbor
is brighter, 256 bits in all. Copies of a photograph differ in few bits, different photographs in
about half.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from isegm.core.errors import IsegmError
from isegm.data.reading import read_image

SIDE = 16
NEAR = 20  # the most of 256 bits that differ between copies


def picture_hash(image: np.ndarray) -> np.ndarray:
    """``H W 3`` uint8 RGB to 256 bools."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(gray, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    return (small[:, 1:] > small[:, :-1]).ravel()


class KnownPictures:
    """Photographs to recognize, also mirrored.

    Args:
        paths: their files.

    Raises:
        IsegmError: there are none.
        CorruptSample: one cannot be read.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = list(paths)
        if not self.paths:
            raise IsegmError("there are no known photographs to compare with; give at least one")
        images = [read_image(path) for path in self.paths]
        views = [view for image in images for view in (image, image[:, ::-1])]
        self._hashes = np.stack([picture_hash(view) for view in views])

    def like(self, image: np.ndarray) -> Path | None:
        """The known photograph that this one (``H W 3`` uint8 RGB) is a copy of, or None."""
        distances = (self._hashes != picture_hash(image)).sum(1)
        nearest = int(distances.argmin())
        return self.paths[nearest // 2] if distances[nearest] <= NEAR else None


def seen_in(paths: Iterable[Path], known: KnownPictures) -> dict[Path, Path]:
    """The files that show a known photograph, each with that photograph.

    Raises:
        CorruptSample: one cannot be read.
    """
    matches = ((path, known.like(read_image(path))) for path in paths)
    return {path: twin for path, twin in matches if twin is not None}
