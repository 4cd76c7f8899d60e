"""Modulation of a probability map around the newest click (MFP, arXiv 2404.18448, section 3.2).

The probabilities near a click are raised by a gamma if the click lies on the object, and lowered if
it lies on the background. The gamma is such that the clicked pixel becomes all but certain, and it
fades with the difference in probability (of the first clicks) or with the distance (of later ones).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isegm.core.clicks import NEGATIVE, PADDING, POSITIVE, Clicks

LEAST = 10.0  # pixels; no window is smaller
CERTAIN, SURE_NOT = 0.99, 0.01  # what the clicked pixel becomes
STEEPNESS = 1000.0  # differences of probability are scaled to this


@torch.no_grad()
def modulated(prob: Tensor, clicks: Clicks, early: int = 7, reach: float = 100.0) -> Tensor:
    """A probability map, changed in a window around the newest click of each sample.

    The window is a disk of half the distance to the nearest click of the other sign, and at least
    10 pixels. Without such a click its radius is ``reach``. Within 10 pixels of such clicks it
    leaves out a disk around each of them that touches the newest click.

    Args:
        prob: ``B 1 H W`` float32 in [0, 1].
        clicks: in pixels of the map. A sample is returned as it is if it has no click, or if its
            newest click lies outside of the map.
        early: up to this many clicks, gamma fades with the difference to the probability at the
            click; afterwards with the distance to it. Published: 7.
        reach: in pixels. Published: 100.

    Returns:
        ``B 1 H W`` float32 in [0, 1], without a gradient.

    # differs from the original: it cannot answer clicks below or on the right of a map; it returns
    the whole batch unchanged if one click lies above or on the left of its map; and where the map
    is constant within the window, or half of the window has the same probability as the click, it
    divides by 0 and answers NaN. There, gamma is here the full one at the probability of the click
    and 1 elsewhere.
    """
    rows = [
        _around_newest(plane, yx[label != PADDING], label[label != PADDING], early, reach)
        for plane, yx, label in zip(prob[:, 0], clicks.yx, clicks.label, strict=True)
    ]
    return torch.stack(rows)[:, None]


def _around_newest(prob: Tensor, yx: Tensor, label: Tensor, early: int, reach: float) -> Tensor:
    """One sample: ``H W``, ``N 2`` and ``N``, without padding, in the order of the clicks."""
    height, width = prob.shape
    if not len(label):
        return prob
    newest, positive = yx[-1].float(), bool(label[-1] == POSITIVE)
    y, x = newest.tolist()
    if not (0 <= y < height and 0 <= x < width):
        return prob
    distance = _distances(newest, prob)
    others = yx[label == (NEGATIVE if positive else POSITIVE)].float()
    window, radius = _window(distance, newest, others, reach)
    if not window.any():
        return prob
    result, here = prob.double(), float(prob[int(y), int(x)])
    if here == (0 if positive else 1):  # no gamma can move it
        slope = distance[window] / distance[window].max().clamp(min=1)
        result[window] = 1 - slope if positive else slope
        return result.float()
    gamma = _full_gamma(here, positive)
    if len(label) <= early:
        exponent = _by_difference((prob[window] - here) ** 2, gamma)
    else:
        nearness = distance[window] / radius
        exponent = gamma * (1 - nearness) + nearness
    result[window] = result[window] ** (1 / exponent if positive else exponent)
    at = min(round(y), height - 1), min(round(x), width - 1)
    result[at] = 1.0 if positive else 0.0
    return result.float()


def _window(distance: Tensor, newest: Tensor, others: Tensor, reach: float) -> tuple[Tensor, float]:
    """The pixels to modulate, ``H W`` bool, and the radius of the disk they are in."""
    if not len(others):
        return distance <= reach, reach
    apart = (others - newest).square().sum(1).sqrt()  # N
    radius = float(apart.min()) / 2
    if radius >= LEAST:
        return distance <= radius, radius
    window = distance <= LEAST
    for other, gap in zip(others, apart, strict=True):
        if gap < LEAST:
            window &= _distances(other, distance) > gap
    return window, LEAST


def _full_gamma(here: float, positive: bool) -> float:
    """The exponent, at least 1, that brings the clicked pixel to 0.99 or 0.01."""
    if positive:
        return 1 / (math.log(CERTAIN) / math.log(here) + 1e-8) if here < CERTAIN else 1.0
    return math.log(SURE_NOT) / math.log(here) if here > SURE_NOT else 1.0


def _by_difference(squares: Tensor, gamma: float) -> Tensor:
    """Exponents that fall from ``gamma`` to 1 as a cubic of the squared difference in probability;
    they reach 1 at its median.
    """
    scaled = squares / squares.max() * STEEPNESS
    middle = scaled.median()
    exponent = -(gamma - 1) / middle**3 * (scaled - middle) ** 3 + 1
    usable = torch.isfinite(middle) & (middle**3 > 0)
    exponent = torch.where(usable, exponent, torch.where(squares == 0, gamma, 1.0))
    return exponent.clamp(min=1)


def _distances(point: Tensor, like: Tensor) -> Tensor:
    """The distance of every pixel of ``H W`` to a point (y, x), in float64."""
    height, width = like.shape
    rows = torch.arange(height, dtype=torch.float64, device=like.device) - point[0]
    cols = torch.arange(width, dtype=torch.float64, device=like.device) - point[1]
    return (rows[:, None] ** 2 + cols**2).sqrt()
