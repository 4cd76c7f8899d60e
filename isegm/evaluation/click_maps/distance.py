"""Clicks near the middle of the error: a Gaussian of the distance transform.

A stand-in for maps learned from real clicks; it needs no weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isegm.core.errors import IsegmError
from isegm.evaluation.click_maps.base import ClickMap
from isegm.utils.depth import squared_distance_inside


@dataclass(frozen=True)
class Distance(ClickMap):
    """``exp(-(1 - d / D)^2 / (2 sigma^2))``: d is how deep a pixel lies inside the error, D is how
    deep the deepest one does.

    Attributes:
        sigma: standard deviation, in share of D; the smaller, the nearer to the middle.

    Raises:
        IsegmError: a sigma that is not above 0.
    """

    sigma: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.sigma < np.inf:
            raise IsegmError(
                f"click map distance: sigma is {self.sigma}; expected a number above 0"
            )

    def __call__(self, image: np.ndarray, gt: np.ndarray, error: np.ndarray) -> np.ndarray:
        depth = np.sqrt(squared_distance_inside(error).astype(np.float64))
        return np.exp(-((1 - depth / depth.max()) ** 2) / (2 * self.sigma**2))


MAP = Distance
