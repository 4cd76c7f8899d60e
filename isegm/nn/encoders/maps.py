"""Clicks as images: one plane of object clicks, one of background clicks.

Coordinates are subtracted in float64, and everything after that is float32, as in RITM: whether a pixel on the rim of a disk
is in or out hangs on the last bit when a click lands between pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isegm.core.clicks import NEGATIVE, PADDING, POSITIVE, Clicks

FAR = 1e6  # the squared distance, in radii, to a click that does not exist


def disk_maps(clicks: Clicks, size: tuple[int, int], radius: float) -> Tensor:
    """Disks: 1 within ``radius`` pixels of a click, 0 elsewhere (RITM, arXiv 2102.06583, section 3.1; ``use_disks=True``).

    Args:
        clicks: ``B N``; padding, and clicks with both coordinates negative, are not drawn. Disks are cut at the image border.
        size: (rows, columns) of the maps.
        radius: in pixels; the rim (distance == radius) belongs to the disk.

    Returns:
        ``B 2 H W`` float32 in {0, 1}, object clicks first.
    """
    height, width = size
    reach = math.ceil(radius)
    offsets = torch.arange(-reach, reach + 2, device=clicks.yx.device)
    rows, dy = _window(clicks.yx[..., 0], offsets)  # B N K
    cols, dx = _window(clicks.yx[..., 1], offsets)
    near = (dy * dy)[..., :, None] + (dx * dx)[..., None, :] <= radius**2  # B N K K
    inside = ((rows >= 0) & (rows < height))[..., :, None] & ((cols >= 0) & (cols < width))[..., None, :]

    batch = torch.arange(len(clicks.label), device=clicks.label.device)[:, None]
    plane = 2 * batch + (clicks.label == NEGATIVE)  # B N
    pixel = (plane[..., None, None] * height + rows[..., :, None]) * width + cols[..., None, :]
    # One spare pixel at the end takes every write that must not show: no boolean indexing, so a GPU is never waited for.
    spare = len(clicks.label) * 2 * height * width
    pixel = torch.where(near & inside & _drawn(clicks)[..., None, None], pixel, spare)
    canvas = torch.zeros(spare + 1, device=clicks.yx.device)
    return canvas.index_fill_(0, pixel.flatten(), 1.0)[:spare].view(-1, 2, height, width)


def disk_maps_everywhere(clicks: Clicks, size: tuple[int, int], radius: float) -> Tensor:
    """``disk_maps`` as the published code computes it, with the work that causes: the yardstick for exactness and speed."""
    return (_squared_distances_everywhere(clicks, size, 1.0) <= radius**2).float()


def distance_maps(clicks: Clicks, size: tuple[int, int], radius: float) -> Tensor:
    """``tanh(2 d / radius)`` of the distance d to the nearest click (f-BRS, arXiv 2001.10331; ``use_disks=False``).

    Args:
        clicks: ``B N``; padding, and clicks with both coordinates negative, are not drawn.
        size: (rows, columns) of the maps.
        radius: the distance, in pixels, at which the map is tanh(2); f-BRS uses 260.

    Returns:
        ``B 2 H W`` float32 in [0, 1], object clicks first; 1 everywhere where there is no click of that sign.
    """
    return squared_distances(clicks, size, radius).sqrt_().mul_(2).tanh_()


def distance_maps_everywhere(clicks: Clicks, size: tuple[int, int], radius: float) -> Tensor:
    """``distance_maps`` as the published code computes it, with the work that causes: the yardstick for exactness and speed."""
    return _squared_distances_everywhere(clicks, size, radius).sqrt_().mul_(2).tanh_()


def squared_distances(clicks: Clicks, size: tuple[int, int], radius: float = 1.0) -> Tensor:
    """The squared distance to the nearest click in units of ``radius``, at most ``FAR``; arguments as in ``distance_maps``.

    Returns:
        ``B 2 H W`` float32, object clicks first; ``FAR`` everywhere where there is no click of that sign.
    """
    height, width = size
    device = clicks.yx.device
    rows = torch.arange(height, dtype=torch.float64, device=device)
    cols = torch.arange(width, dtype=torch.float64, device=device)
    dy = (rows - clicks.yx[..., :1]).float().div_(radius).square_()  # B N H
    dx = (cols - clicks.yx[..., 1:]).float().div_(radius).square_()  # B N W
    return _nearest(dy, dx, clicks, FAR)


def pixel_distances(clicks: Clicks, size: tuple[int, int], limit: float = 255) -> Tensor:
    """The distance to the nearest click in pixels, not further than ``limit`` (FCA-Net; CVPR 2020, section 3.2).

    Args:
        clicks: ``B N``; their coordinates are cut to whole pixels. Padding, and clicks with both coordinates negative, are not
            drawn.
        size: (rows, columns) of the maps.

    Returns:
        ``B 2 H W`` float32 in [0, limit], object clicks first; ``limit`` everywhere where there is no click of that sign.
    """
    height, width = size
    pixels = clicks.yx.floor().float()
    rows, cols = (torch.arange(side, dtype=torch.float32, device=pixels.device) for side in (height, width))
    dy, dx = (rows - pixels[..., :1]).square_(), (cols - pixels[..., 1:]).square_()  # B N H and B N W
    return _nearest(dy, dx, clicks, limit**2).sqrt_()


def gaussian(distance: Tensor, width: float) -> Tensor:
    """A Gaussian of the distance to its centre, 1 there and 0.5 at ``width / 2`` (FCA-Net: 10, and 30 for the first click)."""
    return torch.exp(-4 * math.log(2) / width**2 * distance.square())


def _nearest(dy: Tensor, dx: Tensor, clicks: Clicks, far: float) -> Tensor:
    """``B N H`` and ``B N W``, squared distances along each axis, to ``B 2 H W``: to the nearest click of each sign.

    Click by click, which keeps memory at one map instead of N.
    """
    signs = torch.tensor([POSITIVE, NEGATIVE], device=dy.device)
    drawn = (clicks.label[..., None] == signs) & _drawn(clicks)[..., None]  # B N 2
    batch, count, height = dy.shape
    nearest = dy.new_full((batch, 2, height, dx.shape[-1]), far)
    if dy.device.type == "cpu":
        for b, i, sign in drawn.nonzero().tolist():
            plane = nearest[b, sign]
            torch.minimum(plane, dy[b, i, :, None] + dx[b, i], out=plane)
    else:  # the same without asking the device which clicks there are
        for i in range(count):
            squared = dy[:, i, None, :, None] + dx[:, i, None, None, :]  # B 1 H W
            nearest = torch.where(drawn[:, i, :, None, None], torch.minimum(nearest, squared), nearest)
    return nearest


def _squared_distances_everywhere(clicks: Clicks, size: tuple[int, int], radius: float) -> Tensor:
    """``squared_distances`` as in RITM's ``DistMaps``: both offsets of every pixel to every click, then the nearest click.

    There are as many clicks of either sign as of the sign that has more; the missing ones are computed, too.
    """
    height, width = size
    of_sign = torch.stack([clicks.label == POSITIVE, clicks.label == NEGATIVE], 1)  # B 2 N
    columns = (~of_sign).to(torch.uint8).argsort(stable=True, dim=-1)[..., : max(1, int(of_sign.sum(-1).max()))]  # B 2 M
    points = clicks.yx[:, None].expand(-1, 2, -1, -1).gather(2, columns[..., None].expand(-1, -1, -1, 2))  # B 2 M 2
    there = (of_sign & _drawn(clicks)[:, None]).gather(2, columns)
    axes = (torch.arange(side, dtype=torch.float32, device=points.device) for side in (height, width))
    offsets = torch.stack(torch.meshgrid(*axes, indexing="ij")).repeat(columns.numel(), 1, 1, 1)  # 2BM 2 H W
    offsets.sub_(points.view(-1, 2, 1, 1)).div_(radius)
    offsets.mul_(offsets)
    offsets[:, 0] += offsets[:, 1]
    squared = offsets[:, 0].view(*columns.shape, height, width)
    squared[~there] = FAR
    return squared.amin(2)


def _drawn(clicks: Clicks) -> Tensor:
    """``B N``: a click exists. One negative coordinate is allowed: RITM draws such a click and the border cuts it."""
    return (clicks.label != PADDING) & (clicks.yx.amax(-1) >= 0)


def _window(coordinate: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """``B N`` to the pixels around each click and their distance to it along one axis, both ``B N K``."""
    pixels = coordinate.floor().long()[..., None] + offsets
    return pixels, (pixels - coordinate[..., None]).float()
