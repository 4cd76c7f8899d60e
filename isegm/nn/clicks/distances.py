"""Clicks as distance maps (f-BRS, arXiv 2001.10331; ``use_disks=False``)."""

from __future__ import annotations

from torch import Tensor, nn

from isegm.core.clicks import Clicks
from isegm.nn.clicks.nearest import squared_distances


class Distances(nn.Module):
    """Maps of ``tanh(2 d / radius)``, with the distance d to the nearest click.

    Args:
        radius: the distance, in pixels, at which a map is tanh(2). Published: 260.
    """

    def __init__(self, radius: float = 260):
        super().__init__()
        self.radius = radius

    def forward(self, clicks: Clicks, size: tuple[int, int]) -> Tensor:
        """Draw the maps.

        Args:
            clicks: ``B N``, in pixels of the maps; see ``drawn``.
            size: (rows, columns) of the maps.

        Returns:
            ``B 2 H W`` float32 in [0, 1], object clicks first; a map without clicks is 1.
        """
        return squared_distances(clicks, size, self.radius).sqrt_().mul_(2).tanh_()
