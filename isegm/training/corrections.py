"""Where a simulated user clicks next in training: deep inside an error region."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import cv2
import numpy as np
import torch
from torch import Tensor

from isegm.core.clicks import NEGATIVE, PADDING, POSITIVE

MISSED, EXTRA = 1, 2  # errors of a pixel: object taken for background, background for object

ClickOn = Callable[[np.ndarray, np.random.Generator], tuple[int, int, int]]


def next_clicks(
    prob: Tensor,
    target: Tensor,
    rngs: Sequence[np.random.Generator],
    threshold: float = 0.49,
    pool: Executor | None = None,
    click_on: ClickOn | None = None,
) -> tuple[Tensor, Tensor]:
    """One click of the simulated user per sample. Ignored pixels count as background.

    Args:
        prob: ``B 1 H W`` in [0, 1], of any floating type.
        target: ``B 1 H W``, object above 0.5.
        rngs: one generator per sample.
        pool: threads for the distance transforms.
        click_on: picks a pixel (row, column, label) in the errors of a sample, ``H W`` uint8 of 0,
            ``MISSED`` and ``EXTRA``; by default ``click_on_deeper``.

    Returns:
        ``yx`` (``B 2`` float64) and ``label`` (``B`` int64; padding without errors), both on the
        CPU.
    """
    wanted, prob = target > 0.5, prob.float()
    error = MISSED * (wanted & (prob < threshold)) + EXTRA * (~wanted & (prob > threshold))
    errors = error[:, 0].to(torch.uint8).cpu().numpy()  # the only copy from the device
    clicked = list((pool.map if pool else map)(click_on or click_on_deeper, errors, rngs))
    return (
        torch.tensor([(y, x) for y, x, _ in clicked], dtype=torch.float64).view(-1, 2),
        torch.tensor([label for *_, label in clicked], dtype=torch.int64),
    )


def click_on_deeper(error: np.ndarray, rng: np.random.Generator) -> tuple[int, int, int]:
    """A random pixel more than half as deep as the deepest error, in errors of its kind (a tie:
    background taken for object).
    """
    missed, extra = _depth(error == MISSED), _depth(error == EXTRA)
    positive = missed[0].max() > extra[0].max()
    deeper = missed if positive else extra
    return _click_deeper_than(deeper[0].max() / 2, deeper, positive, rng)


def click_on_either(error: np.ndarray, rng: np.random.Generator) -> tuple[int, int, int]:
    """A random pixel more than half as deep as the deepest error of either kind, in a kind drawn
    with probabilities proportional to depth; padding if there is none.
    """
    missed, extra = _depth(error == MISSED), _depth(error == EXTRA)
    deepest = np.array([missed[0].max(), extra[0].max()], np.float64)
    if not deepest.any():
        return 0, 0, PADDING
    positive = bool(rng.random() < deepest[0] / deepest.sum())
    return _click_deeper_than(deepest.max() / 2, missed if positive else extra, positive, rng)


def _click_deeper_than(
    limit: float,
    region: tuple[np.ndarray, tuple[int, int]],
    positive: bool,
    rng: np.random.Generator,
) -> tuple[int, int, int]:
    depth, (top, left) = region
    candidates = np.flatnonzero(depth > limit)
    if not len(candidates):
        return 0, 0, PADDING
    y, x = divmod(int(candidates[rng.integers(len(candidates))]), depth.shape[1])
    return top + y, left + x, POSITIVE if positive else NEGATIVE


def _depth(wrong: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Distance of the wrong pixels to the border of their region, within their bounding box, and
    the box's top left corner.

    The image border counts as a region border. Cropping to the box is exact: no correct pixel
    outside is nearer than the frame of correct pixels around the box.
    """
    rows, cols = np.flatnonzero(wrong.any(1)), np.flatnonzero(wrong.any(0))
    if not len(rows):
        return np.zeros((1, 1), np.float32), (0, 0)
    top, left = int(rows[0]), int(cols[0])
    box = wrong[top : rows[-1] + 1, left : cols[-1] + 1].view(np.uint8)
    framed = np.pad(box, 1)
    return cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1], (top, left)
