"""Focus crops of FocalClick (arXiv 2204.02574): which part of an image deserves a closer look, and
how it is cropped.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from isegm.core import boxes
from isegm.core.boxes import Box
from isegm.core.clicks import Clicks
from isegm.core.rounds import Session
from isegm.utils.regions import changed_region, largest_region

THRESHOLD = 0.49  # the published code compares both probabilities and logits with it


def focus_box(before: Session, after: Session, frame: Box, expansion: float = 1.4) -> Box | None:
    """The part of the image that deserves a closer look: what the newest click changed, and a
    margin.

    If that is less than a third as high or wide as the object, it is a square around the click; if
    there was no answer before, the object. Source: ``get_focus_cropv1`` of the published code,
    including its flaws: the new answer is thresholded at *logits* of 0.49 (a probability of 0.62),
    and if nothing changed at the click, everything unchanged counts as changed.

    Args:
        frame: the target crop; the box is clipped to it.

    Returns:
        None if nothing is left inside the frame (the published code fails then).
    """
    click = after.clicks[-1]
    new = (logit(after.prob[0, 0]) > THRESHOLD).cpu().numpy()
    old = (before.feedback[0, 0] > THRESHOLD).cpu().numpy()
    y, x = int(click.y), int(click.x)
    top, left, bottom, right = _span(new)
    if old.any():
        height, width = bottom - top, right - left
        reach = 0.2 * max(height, width)
        top, left, bottom, right = _span(changed_region(old, new, y, x))
        if bottom - top < height / 3 or right - left < width / 3:
            top, left, bottom, right = y - reach, x - reach, y + reach, x + reach
    rows = _expanded(top, bottom, expansion, new.shape[0], frame.top, frame.bottom)
    columns = _expanded(left, right, expansion, new.shape[1], frame.left, frame.right)
    box = Box(rows[0], columns[0], rows[1], columns[1])
    return box if box.height > 0 and box.width > 0 else None


def training_box(mask: np.ndarray, rng: np.random.Generator) -> Box:
    """A random focus crop of a training sample: around the object, or (for 40 % of those with at
    least 3600 pixels) on its boundary.

    Args:
        mask: ``H W`` bool, the object.
    """
    if np.count_nonzero(mask) >= 3600 and rng.random() < 0.4:
        return _boundary_box(mask, rng)
    return _object_box(mask, rng)


def place_in_view(box: Box, frame: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a box in pixels of a view that shows ``frame`` at ``size``."""

    def mapped(value: int, start: int, extent: int, length: int) -> float:
        return min(max((value - start) * length / extent, 0), length)

    ys = [mapped(v, frame.top, frame.height, size[0]) for v in (box.top, box.bottom)]
    xs = [mapped(v, frame.left, frame.width, size[1]) for v in (box.left, box.right)]
    return xs[0], ys[0], xs[1], ys[1]


def zoomed(x: Tensor, cut: Sequence[Box]) -> Tensor:
    """One box of every sample of ``B C H W``, resized to H x W like ``cv2.resize`` (linear)."""
    grids = []
    for axis, length in ((0, x.shape[-2]), (1, x.shape[-1])):
        bounds = torch.tensor(
            [(b[axis], b[axis + 2]) for b in cut], dtype=torch.float32, device=x.device
        )
        start, stop = bounds[:, :1], bounds[:, 1:]
        steps = (torch.arange(length, device=x.device) + 0.5) / length
        positions = torch.clamp(start + steps * (stop - start) - 0.5, min=start, max=stop - 1)
        grids.append(positions * 2 / max(length - 1, 1) - 1)  # B H, B W in [-1, 1]
    rows = grids[0][:, :, None].expand(-1, *x.shape[-2:])
    columns = grids[1][:, None, :].expand(-1, *x.shape[-2:])
    grid = torch.stack([columns, rows], -1)
    return F.grid_sample(x.float(), grid, mode="bilinear", align_corners=True)


def crop_each(clicks: Clicks, cut: Sequence[Box], size: tuple[int, int]) -> Clicks:
    """The clicks of every sample in pixels of its own box, resized to ``size``."""
    corner = clicks.yx.new_tensor([(b.top, b.left) for b in cut])[:, None]
    scale = clicks.yx.new_tensor([(size[0] / b.height, size[1] / b.width) for b in cut])[:, None]
    return Clicks((clicks.yx - corner) * scale, clicks.label)


def logit(prob: Tensor) -> Tensor:
    """Probabilities to logits; 0 and 1 become infinite, which ``sigmoid`` reverts."""
    return torch.log(prob / (1 - prob))


def _span(mask: np.ndarray) -> tuple[int, int, int, int]:
    """First row, first column, last row and last column of a mask; with fewer than 10 pixels, those
    of the whole image and one beyond.
    """
    if np.count_nonzero(mask) < 10:
        return 0, 0, *mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[0]), int(columns[0]), int(rows[-1]), int(columns[-1])


def _expanded(
    first: float, last: float, ratio: float, length: int, start: int, stop: int
) -> tuple[int, int]:
    """Half-open bounds of a span scaled about its centre (rounded towards zero, as published),
    clipped to image and frame.
    """
    centre, size = 0.5 * (first + last), ratio * (last - first + 1)
    low, high = (min(max(int(centre + sign * 0.5 * size), 0), length) for sign in (-1, 1))
    return max(low, start), min(high, stop)


def _object_box(mask: np.ndarray, rng: np.random.Generator) -> Box:
    """A box 1.1 to 1.6 times as large as the largest region of the object, shifted by up to 0.3 of
    its size.
    """
    top, left, bottom, right = _span(largest_region(mask))
    ratio = rng.integers(11, 17) / 10
    sides = []
    for first, last, length in ((top, bottom, mask.shape[0]), (left, right, mask.shape[1])):
        size = max(32, ratio * (last - first + 1))
        most = int(0.3 * size)
        centre = 0.5 * (first + last) + rng.integers(-most, most + 1)
        sides.append((max(0, int(centre - 0.5 * size)), min(length, int(centre + 0.5 * size))))
    return Box(sides[0][0], sides[1][0], sides[0][1], sides[1][1])


def _boundary_box(mask: np.ndarray, rng: np.random.Generator) -> Box:
    """A box of 1/1.5 to 1/3.9 of the image on each axis, centred just outside the object; inside
    the image if possible.
    """
    height, width = (int(length / (rng.integers(15, 40) / 10)) for length in mask.shape)
    ring = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & ~mask
    if not ring.any():  # the object fills the image
        return _object_box(mask, rng)
    fitting = np.zeros_like(ring)
    top, left = height // 2, width // 2
    rows = slice(top, mask.shape[0] - (height - top) + 1)
    columns = slice(left, mask.shape[1] - (width - left) + 1)
    fitting[rows, columns] = ring[rows, columns]
    candidates = np.flatnonzero(fitting if fitting.any() else ring)
    y, x = divmod(int(candidates[rng.integers(len(candidates))]), mask.shape[1])
    return boxes.clamp(Box(y - top, x - left, y - top + height, x - left + width), *mask.shape)
