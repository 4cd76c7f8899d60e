"""Which clicks are drawn, and the distance of every pixel to the nearest one.

Coordinates are subtracted in float64, and the rest is float32, as in RITM: for a click between
pixels, the last bit decides which pixels on the rim belong to a disk.
"""

from __future__ import annotations

import torch
from torch import Tensor

from isegm.core.clicks import NEGATIVE, PADDING, POSITIVE, Clicks

FAR = 1e6  # the squared distance, in radii, to a click that does not exist


def drawn(clicks: Clicks) -> Tensor:
    """``B N`` bool: a click is drawn unless it is padding or both its coordinates are negative.

    One negative coordinate is allowed: RITM draws such a click, clipped at the border.
    """
    return (clicks.label != PADDING) & (clicks.yx.amax(-1) >= 0)


def squared_distances(clicks: Clicks, size: tuple[int, int], radius: float = 1.0) -> Tensor:
    """The squared distance to the nearest click, in units of ``radius``, at most ``FAR``.

    Args:
        clicks: ``B N``, in pixels of the maps.
        size: (rows, columns) of the maps.
        radius: in pixels.

    Returns:
        ``B 2 H W`` float32, object clicks first; ``FAR`` everywhere if no click of that sign is
        drawn.
    """
    height, width = size
    device = clicks.yx.device
    rows = torch.arange(height, dtype=torch.float64, device=device)
    cols = torch.arange(width, dtype=torch.float64, device=device)
    dy = (rows - clicks.yx[..., :1]).float().div_(radius).square_()  # B N H
    dx = (cols - clicks.yx[..., 1:]).float().div_(radius).square_()  # B N W
    return _nearest(dy, dx, clicks, FAR)


def pixel_distances(clicks: Clicks, size: tuple[int, int], limit: float = 255) -> Tensor:
    """The distance to the nearest click in pixels, at most ``limit`` (FCA-Net, section 3.2).

    Args:
        clicks: ``B N``, in pixels of the maps; coordinates are rounded down.
        size: (rows, columns) of the maps.

    Returns:
        ``B 2 H W`` float32 in [0, limit], object clicks first; ``limit`` everywhere if no click of
        that sign is drawn.
    """
    height, width = size
    pixels = clicks.yx.floor().float()
    rows = torch.arange(height, dtype=torch.float32, device=pixels.device)
    cols = torch.arange(width, dtype=torch.float32, device=pixels.device)
    dy, dx = (rows - pixels[..., :1]).square_(), (cols - pixels[..., 1:]).square_()
    return _nearest(dy, dx, clicks, limit**2).sqrt_()


def _nearest(dy: Tensor, dx: Tensor, clicks: Clicks, far: float) -> Tensor:
    """``B N H`` and ``B N W``, squared distances along each axis, to ``B 2 H W``.

    One click at a time, so memory holds one map instead of N; except in an exported graph, which
    must hold for any number of clicks.
    """
    # A tensor of both signs would be copied to the device, and waited for, at every pass.
    signs = torch.stack([clicks.label == sign for sign in (POSITIVE, NEGATIVE)], -1)
    shown = signs & drawn(clicks)[..., None]  # B N 2
    if torch.compiler.is_compiling():
        squared = dy[:, :, None, :, None] + dx[:, :, None, None, :]  # B N 1 H W
        return torch.where(shown[..., None, None], squared, far).amin(1).clamp(max=far)
    batch, count, height = dy.shape
    nearest = dy.new_full((batch, 2, height, dx.shape[-1]), far)
    if dy.device.type == "cpu":
        for b, i, sign in shown.nonzero().tolist():
            plane = nearest[b, sign]
            torch.minimum(plane, dy[b, i, :, None] + dx[b, i], out=plane)
    else:  # the same without waiting for the device
        for i in range(count):
            squared = dy[:, i, None, :, None] + dx[:, i, None, None, :]  # B 1 H W
            closer = torch.minimum(nearest, squared)
            nearest = torch.where(shown[:, i, :, None, None], closer, nearest)
    return nearest
