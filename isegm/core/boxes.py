"""Boxes are ``(top, left, bottom, right)`` in pixels, half open: a box holds rows top .. bottom -
1.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


class Box(NamedTuple):
    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    def contains(self, y: float, x: float) -> bool:
        return self.top <= y < self.bottom and self.left <= x < self.right


def whole(height: int, width: int) -> Box:
    return Box(0, 0, height, width)


def bbox_of(mask: Tensor) -> Box | None:
    """The tight box of the true pixels of a boolean ``H W`` mask; None if there is none."""
    rows = torch.where(mask.any(1))[0]
    if not len(rows):
        return None
    cols = torch.where(mask.any(0))[0]
    return Box(int(rows[0]), int(cols[0]), int(rows[-1]) + 1, int(cols[-1]) + 1)


def include(box: Box, y: int, x: int) -> Box:
    """The smallest box that holds ``box`` and the pixel (y, x)."""
    return Box(min(box.top, y), min(box.left, x), max(box.bottom, y + 1), max(box.right, x + 1))


def expand(box: Box, ratio: float, min_size: int) -> Box:
    """Scale a box about its centre by ``ratio``, each side at least ``min_size`` pixels.

    Bounds are rounded half to even on the inclusive pixel bounds, as RITM's zoom-in does, so a box
    may be one pixel off the ideal; crops, and with them clicks, depend on it.
    """
    sides = []
    for start, stop in ((box.top, box.bottom), (box.left, box.right)):
        centre = 0.5 * (start + stop - 1)
        size = max(ratio * (stop - start), min_size)
        sides.append((round(centre - 0.5 * size), round(centre + 0.5 * size) + 1))
    (top, bottom), (left, right) = sides
    return Box(top, left, bottom, right)


def clamp(box: Box, height: int, width: int) -> Box:
    """Cut a box to the image. The box must touch it."""
    return Box(max(0, box.top), max(0, box.left), min(height, box.bottom), min(width, box.right))


def interval_iou(a: Box, b: Box) -> float:
    """The product of the IoUs of the two row intervals and the two column intervals (RITM's
    measure, not the area IoU).
    """
    product = 1.0
    for a0, a1, b0, b1 in ((a.top, a.bottom, b.top, b.bottom), (a.left, a.right, b.left, b.right)):
        overlap = max(0, min(a1, b1) - max(a0, b0))
        # RITM takes the hull, not the sum, as the union; for disjoint intervals both give 0.
        product *= overlap / max(1e-6, max(a1, b1) - min(a0, b0))
    return product


def resize(x: Tensor, size: tuple[int, int], aligned: bool = True) -> Tensor:
    """Resize ``B C H W`` bilinearly; ``x`` itself if it has that size.

    Args:
        aligned: with aligned corners, as nearly every protocol does; otherwise by the centres of
            pixels, as OpenCV does.
    """
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=aligned)


def resize_bytes(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize ``1 3 H W`` as OpenCV resizes bytes: by the centers of pixels, in its fixed-point
    arithmetic, rounded to whole gray levels.

    Args:
        image: uint8, or float in [0, 1], which is rounded to gray levels first.

    Returns:
        uint8 on the device of ``image``.
    """
    levels = image if image.dtype == torch.uint8 else (image * 255).round().to(torch.uint8)
    if tuple(image.shape[-2:]) == tuple(size):
        return levels
    rows, columns = size
    pixels = np.ascontiguousarray(levels[0].permute(1, 2, 0).cpu().numpy())
    resized = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(resized).permute(2, 0, 1)[None].to(image.device)


def cut(x: Tensor, box: Box) -> Tensor:
    """The part of ``... H W`` inside the box, without copying."""
    return x[..., box.top : box.bottom, box.left : box.right]


def paste(
    x: Tensor,
    box: Box,
    height: int,
    width: int,
    aligned: bool = True,
    around: Tensor | None = None,
) -> Tensor:
    """Resize ``B C h w`` to the box and paste it into ``B C height width``.

    Args:
        around: what stays outside the box, ``B C height width``; None: zeros.
    """
    patch = resize(x, (box.height, box.width), aligned)
    if box == whole(height, width):
        return patch
    if around is None:
        out = x.new_zeros(*x.shape[:-2], height, width)
    else:
        out = around.to(x.dtype, copy=True)
    cut(out, box).copy_(patch)
    return out
