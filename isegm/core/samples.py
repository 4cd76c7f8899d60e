"""What data sets hand out: one image and what is known about its objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

IGNORE = -1


@dataclass(frozen=True)
class Sample:
    """One image and one object, for evaluation.

    Attributes:
        image: ``H W 3`` uint8, RGB.
        gt: ``H W`` int8, 1 = object, 0 = background, -1 = ignored.
        id: unique within its data set, e.g. the file stem.
        init_mask: ``H W`` float32 in [0, 1] to start from, or None.
    """

    image: np.ndarray
    gt: np.ndarray
    id: str
    init_mask: np.ndarray | None = None
