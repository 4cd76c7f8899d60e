"""Click maps as the published code computes them: simple and slow."""

from __future__ import annotations

import torch
from torch import Tensor

from isegm.core.clicks import NEGATIVE, POSITIVE, Clicks
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.distances import Distances
from isegm.nn.clicks.nearest import FAR, drawn


class SlowDisks(Disks):
    """``Disks``: every pixel is compared with every click."""

    def forward(self, clicks: Clicks, size: tuple[int, int]) -> Tensor:
        """As ``Disks``."""
        return (every_squared_distance(clicks, size, 1.0) <= self.radius**2).float()


class SlowDistances(Distances):
    """``Distances``: every pixel is compared with every click."""

    def forward(self, clicks: Clicks, size: tuple[int, int]) -> Tensor:
        """As ``Distances``."""
        return every_squared_distance(clicks, size, self.radius).sqrt_().mul_(2).tanh_()


def every_squared_distance(clicks: Clicks, size: tuple[int, int], radius: float) -> Tensor:
    """``squared_distances`` as in RITM's ``DistMaps``: all offsets of all pixels to all clicks.

    Both signs are padded to the same number of clicks, and the padding is computed, too.
    """
    height, width = size
    of_sign = torch.stack([clicks.label == POSITIVE, clicks.label == NEGATIVE], 1)  # B 2 N
    most = max(1, int(of_sign.sum(-1).max()))
    columns = (~of_sign).to(torch.uint8).argsort(stable=True, dim=-1)[..., :most]  # B 2 M
    places = clicks.yx[:, None].expand(-1, 2, -1, -1)
    points = places.gather(2, columns[..., None].expand(-1, -1, -1, 2))  # B 2 M 2
    there = (of_sign & drawn(clicks)[:, None]).gather(2, columns)
    axes = (torch.arange(n, dtype=torch.float32, device=points.device) for n in (height, width))
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    offsets = grid.repeat(columns.numel(), 1, 1, 1)  # 2BM 2 H W
    offsets.sub_(points.view(-1, 2, 1, 1)).div_(radius)
    offsets.mul_(offsets)
    offsets[:, 0] += offsets[:, 1]
    squared = offsets[:, 0].view(*columns.shape, height, width)
    squared[~there] = FAR
    return squared.amin(2)
