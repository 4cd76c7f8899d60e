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
from isegm.utils.focus import THRESHOLD, changed_box, span
from isegm.utils.regions import largest_region


def focus_box(before: Session, after: Session, frame: Box, expansion: float = 1.4) -> Box | None:
    """The part of the image that deserves a closer look: what the newest click changed, and a
    margin.

    See ``changed_box``; in the published code the new answer is thresholded at *logits* of 0.49 (a
    probability of 0.62).

    Args:
        frame: the target crop; the box is clipped to it.

    Returns:
        None if nothing is left inside the frame (the published code fails then).
    """
    click = after.clicks[-1]
    new = (logit(after.prob[0, 0]) > THRESHOLD).cpu().numpy()
    old = (before.feedback[0, 0] > THRESHOLD).cpu().numpy()
    return changed_box(old, new, (int(click.y), int(click.x)), frame, expansion)


def training_box(mask: np.ndarray, rng: np.random.Generator) -> Box:
    """A random focus crop of a training sample: around the object, or (for 40 % of those with at
    least 3600 pixels) on its boundary.

    Args:
        mask: ``H W`` bool, the object.
    """
    if np.count_nonzero(mask) >= 3600 and rng.random() < 0.4:
        return _boundary_box(mask, rng)
    return _object_box(mask, rng)


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


def _object_box(mask: np.ndarray, rng: np.random.Generator) -> Box:
    """A box 1.1 to 1.6 times as large as the largest region of the object, shifted by up to 0.3 of
    its size.
    """
    top, left, bottom, right = span(largest_region(mask))
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
