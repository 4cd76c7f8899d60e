"""Geodesic segmentation: a pixel belongs to the seeds that are nearer along the image.

Source: Bai and Sapiro, "Geodesic matting", IJCV 2009: distances are integrals of the change of the
object's likelihood. Distances are scikit-image's ``MCP_Geometric``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from isegm.foreign.classical.base import Classical, Seeds, check_positive
from isegm.utils.extras import needed


@dataclass(frozen=True)
class Geodesic(Classical):
    """The object's probability is ``far / (near + far)`` with the distances to object and
    background seeds. A step costs the change of the likelihood of the object's colour, out of one
    Gaussian kernel density for each kind of seed, plus ``step``. Until the first negative click the
    image's border is background.

    Attributes:
        radius: of seeds, in pixels of the image.
        step: the cost of one pixel in a flat area, against 1 for a whole change of likelihood.
        bandwidth: of the densities, in units of Lab from 0 to 255.
        max_side: see ``Classical``.
    """

    radius: float = 5
    step: float = 0.01
    bandwidth: float = 12
    max_side: int | None = 256

    def __post_init__(self) -> None:
        check_positive("geodesic", radius=self.radius, max_side=self.max_side)
        check_positive("geodesic", step=self.step, bandwidth=self.bandwidth)
        needed("skimage.graph", "classical", "geodesic", "scikit-image")

    def prepared(self, image: np.ndarray) -> np.ndarray:
        return cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)

    def segmented(self, prepared: np.ndarray, seeds: Seeds, previous: np.ndarray) -> np.ndarray:
        seeds = seeds.with_border()
        if not seeds.off.any():
            return np.ones(seeds.label.shape, np.float32)
        likelihood = self._likelihood(prepared, seeds)
        across, down = np.gradient(np.pad(likelihood, 1, "edge"))
        cost = self.step + np.hypot(across, down)[1:-1, 1:-1]
        near, far = (_distance(cost, mask) for mask in (seeds.on, seeds.off))
        return far / np.maximum(near + far, 1e-12)

    def _likelihood(self, lab: np.ndarray, seeds: Seeds) -> np.ndarray:
        """``h w``: the object's share of the two densities at each pixel's colour."""
        on, off = (self._density(lab, lab[mask]) for mask in (seeds.on, seeds.off))
        return on / (on + off + 1e-12)

    def _density(self, lab: np.ndarray, colours: np.ndarray) -> np.ndarray:
        """A histogram of 4 units per bin, blurred by the bandwidth, at each pixel's colour."""
        bins, sigma = 64, self.bandwidth / 4
        places = (colours / 4).astype(np.int64)
        flat = (places[:, 0] * bins + places[:, 1]) * bins + places[:, 2]
        grid = np.bincount(flat, minlength=bins**3).reshape(bins, bins, bins) / len(colours)
        dense = ndimage.gaussian_filter(grid, sigma, mode="constant")
        where = (lab / 4).astype(np.int64)
        return dense[where[..., 0], where[..., 1], where[..., 2]]


def _distance(cost: np.ndarray, mask: np.ndarray) -> np.ndarray:
    graph = needed("skimage.graph", "classical", "geodesic", "scikit-image")
    distances, _ = graph.MCP_Geometric(cost).find_costs(np.argwhere(mask))
    return distances


METHOD = Geodesic
