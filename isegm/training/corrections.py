"""Where a simulated user clicks next: somewhere deep inside what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import cv2
import numpy as np
import torch
from torch import Tensor

from isegm.core.clicks import NEGATIVE, PADDING, POSITIVE

MISSED, EXTRA = (
    1,
    2,
)  # what can be wrong with a pixel: object not found, background taken for object


ClickOn = Callable[[np.ndarray, np.random.Generator], tuple[int, int, int]]


def next_clicks(
    prob: Tensor,
    target: Tensor,
    rngs: Sequence[np.random.Generator],
    threshold: float = 0.49,
    pool: Executor | None = None,
    click_on: ClickOn | None = None,
) -> tuple[Tensor, Tensor]:
    """Where the simulated user clicks next.

    Ignored pixels count as background.

    Args:
        prob: ``B 1 H W`` in [0, 1], of any floating type.
        target: ``B 1 H W``, object above 0.5.
        rngs: one generator per sample.
        pool: threads for the distance transforms.
        click_on: picks a pixel (row, column, label) in the errors of a sample, ``H W`` uint8 of 0,
            ``MISSED`` and ``EXTRA``; ``click_on_deeper`` unless given.

    Returns:
        ``yx`` (``B 2`` float64) and ``label`` (``B`` int64; padding where nothing is wrong), both
        on the CPU.
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
    """On the kind of error with the greater distance to its border (a tie: background), more than
    half as deep as it gets.
    """
    missed, missed_corner = _depth(error == MISSED)
    extra, extra_corner = _depth(error == EXTRA)
    positive = missed.max() > extra.max()
    depth, corner = (missed, missed_corner) if positive else (extra, extra_corner)
    return _click_deeper_than(
        depth.max() / 2, depth, corner, POSITIVE if positive else NEGATIVE, rng
    )


def click_on_either(error: np.ndarray, rng: np.random.Generator) -> tuple[int, int, int]:
    """On a kind of error drawn by depth; more than half as deep as the deepest of both kinds, or
    nowhere (padding).
    """
    missed, missed_corner = _depth(error == MISSED)
    extra, extra_corner = _depth(error == EXTRA)
    deepest = np.array([missed.max(), extra.max()], np.float64)
    if not deepest.any():
        return 0, 0, PADDING
    positive = rng.random() < deepest[0] / deepest.sum()
    depth, corner = (missed, missed_corner) if positive else (extra, extra_corner)
    return _click_deeper_than(
        deepest.max() / 2, depth, corner, POSITIVE if positive else NEGATIVE, rng
    )


def _click_deeper_than(
    limit: float, depth: np.ndarray, corner: tuple[int, int], label: int, rng: np.random.Generator
) -> tuple[int, int, int]:
    candidates = np.flatnonzero(depth > limit)
    if not len(candidates):
        return 0, 0, PADDING
    y, x = divmod(int(candidates[rng.integers(len(candidates))]), depth.shape[1])
    return corner[0] + y, corner[1] + x, label


def _depth(wrong: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Distance of the wrong pixels to the border of their region, in their bounding box, and the
    box's top left corner.

    The image border counts as a region border. Cutting to the box is exact: a path to a right pixel
    outside never is shorter than one to the frame of right pixels around the box.
    """
    rows, cols = np.flatnonzero(wrong.any(1)), np.flatnonzero(wrong.any(0))
    if not len(rows):
        return np.zeros((1, 1), np.float32), (0, 0)
    top, left = int(rows[0]), int(cols[0])
    box = wrong[top : rows[-1] + 1, left : cols[-1] + 1].view(np.uint8)
    framed = np.pad(box, 1)
    return cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1], (top, left)
