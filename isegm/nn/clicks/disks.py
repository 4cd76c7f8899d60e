"""Clicks as disks (RITM, arXiv 2102.06583, section 3.1; ``use_disks=True``)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from isegm.core.clicks import NEGATIVE, Clicks
from isegm.nn.clicks.nearest import drawn


class Disks(nn.Module):
    """Maps that are 1 within a radius of a click and 0 elsewhere.

    Args:
        radius: in pixels; the rim (distance == radius) belongs to the disk. Published: 5.
    """

    def __init__(self, radius: float = 5):
        super().__init__()
        self.radius = radius

    def forward(self, clicks: Clicks, size: tuple[int, int]) -> Tensor:
        """Draw the maps; only the window around each click is computed.

        Args:
            clicks: ``B N``, in pixels of the maps; see ``drawn``. Disks are clipped at the border.
            size: (rows, columns) of the maps.

        Returns:
            ``B 2 H W`` float32 in {0, 1}, object clicks first.
        """
        height, width = size
        device = clicks.yx.device
        reach = math.ceil(self.radius)
        offsets = torch.arange(-reach, reach + 2, device=device)
        rows, dy = _window(clicks.yx[..., 0], offsets)  # B N K
        cols, dx = _window(clicks.yx[..., 1], offsets)
        shown = (dy * dy)[..., :, None] + (dx * dx)[..., None, :] <= self.radius**2  # B N K K
        shown &= ((rows >= 0) & (rows < height))[..., :, None]
        shown &= ((cols >= 0) & (cols < width))[..., None, :]
        shown &= drawn(clicks)[..., None, None]

        batch = torch.arange(len(clicks.label), device=device)[:, None]
        plane = 2 * batch + (clicks.label == NEGATIVE)  # B N
        pixel = (plane[..., None, None] * height + rows[..., :, None]) * width + cols[..., None, :]
        # All hidden writes go to one spare pixel at the end; boolean indexing would wait for a GPU.
        spare = len(clicks.label) * 2 * height * width
        pixel = torch.where(shown, pixel, spare).flatten()
        canvas = torch.zeros(spare + 1, device=device).index_fill_(0, pixel, 1.0)
        return canvas[:spare].view(-1, 2, height, width)


def _window(coordinate: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """``B N`` to the pixels around each click and their distance along one axis, ``B N K``."""
    pixels = coordinate.floor().long()[..., None] + offsets
    return pixels, (pixels - coordinate[..., None]).float()
