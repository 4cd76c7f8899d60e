"""Clicks as Gaussians (FCA-Net, CVPR 2020, section 3.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from isegm.core.clicks import Clicks
from isegm.nn.clicks.nearest import pixel_distances


class Gaussians(nn.Module):
    """Maps that are 1 at a click and 0.5 at half a width from the nearest one.

    Args:
        width: in pixels. Published: 10, and 30 for the first click.
    """

    def __init__(self, width: float = 10):
        super().__init__()
        self.width = width

    def forward(self, clicks: Clicks, size: tuple[int, int]) -> Tensor:
        """Draw the maps.

        Args:
            clicks: ``B N``, in pixels of the maps, rounded down; see ``drawn``.
            size: (rows, columns) of the maps.

        Returns:
            ``B 2 H W`` float32 in [0, 1], object clicks first; a map without clicks is 0, up to
            rounding.
        """
        return gaussian(pixel_distances(clicks, size), self.width)


def gaussian(distance: Tensor, width: float) -> Tensor:
    """A Gaussian of the distance to its center: 1 there, and 0.5 at ``width / 2``."""
    return torch.exp(-4 * math.log(2) / width**2 * distance.square())
