"""Boxes are ``(top, left, bottom, right)`` in pixels, half open: a box holds rows top .. bottom -
1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:  # view rules also choose boxes for exported networks, where torch is missing
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


def bbox_of(mask: Any) -> Box | None:
    """The tight box of the true pixels of a boolean ``H W`` mask, a tensor or an array; None if
    there is none.
    """
    rows, columns = mask.any(1).tolist(), mask.any(0).tolist()
    if True not in rows:
        return None
    (top, bottom), (left, right) = _ends(rows), _ends(columns)
    return Box(top, left, bottom, right)


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
    from torch.nn.functional import interpolate

    return interpolate(x, size=size, mode="bilinear", align_corners=aligned)


def resize_bytes(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize ``3 H W`` uint8 as OpenCV resizes bytes: by the centers of pixels, in its fixed-point
    arithmetic, rounded to whole gray levels.
    """
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    rows, columns = size
    pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
    return cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)


def cut(x: Any, box: Box) -> Any:
    """The part of ``... H W``, a tensor or an array, inside the box, without copying."""
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


def _ends(flags: list[bool]) -> tuple[int, int]:
    """Where the true entries begin, and where they are over."""
    return flags.index(True), len(flags) - flags[::-1].index(True)
