"""Clicks drawn from a click map, which any network may give.

Source of the slices: RClicks (arXiv 2410.11722) draws from ten slices of a map's probability mass,
from where people click most to where they hardly ever do, and calls the spread of NoC over them
robustness.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.evaluation.click_maps.base import MAPS, ClickMap
from isegm.evaluation.regions import NOTHING_WRONG, errors
from isegm.evaluation.users.base import Look, User
from isegm.evaluation.users.centre import next_click


@dataclass(frozen=True)
class Drawn(User):
    """The kind of error, and so the sign, is that of ``centre``; the place is drawn from the map
    over all errors of that kind. Without any error: a negative click at (0, 0).

    Attributes:
        map: the name of a file in isegm/evaluation/click_maps, or ``name`` and the settings of that
            map.
        slice: draw from this slice of the map alone, 0 being the most likely pixels; None draws
            from the whole map.
        slices: how many slices of equal probability mass there are.
        seed: of the random numbers.

    Raises:
        IsegmError: no such map, or no such slice.
    """

    map: str | dict = "distance"
    slice: int | None = None
    slices: int = 10
    seed: int = 0
    weigh: ClickMap = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.slices < 1 or not (self.slice is None or 0 <= self.slice < self.slices):
            shown = f"slice is {self.slice} of {self.slices}"
            raise IsegmError(f"drawn: {shown}; expected 0 to slices - 1, or null for the whole map")
        choice = {"name": self.map} if isinstance(self.map, str) else self.map
        object.__setattr__(self, "weigh", MAPS.make(choice))

    def click(self, look: Look) -> Click:
        positive = next_click(look.mask, look.gt, look.clicks).positive
        missing, extra = errors(look)
        error = missing if positive else extra
        if not error.any():
            return NOTHING_WRONG
        places = np.argwhere(error)
        mass = self._mass(look, error)[error]
        if self.slice is not None:
            kept = in_slice(mass, self.slice, self.slices)
            places, mass = places[kept], mass[kept]
        y, x = places[look.rng(self.seed).choice(len(places), p=mass / mass.sum())]
        return Click(int(y), int(x), positive)

    def _mass(self, look: Look, error: np.ndarray) -> np.ndarray:
        mass = np.asarray(self.weigh(look.sample.image, look.gt, error), np.float64)
        if mass.shape != error.shape or not np.isfinite(mass[error]).all() or mass[error].min() < 0:
            expected = f"{error.shape} numbers from 0 on, all of them finite"
            raise IsegmError(
                f"click map {self.map} returned {mass.shape} numbers for {look.sample.id}; expected"
                f" {expected}"
            )
        return mass if mass[error].any() else np.ones_like(mass)


def in_slice(mass: np.ndarray, index: int, count: int) -> np.ndarray:
    """The positions of a slice of probability mass, the heaviest first; at least one.

    Args:
        mass: ``N`` float64 from 0 on, not all 0; equal ones count in their order.
    """
    order = np.argsort(-mass, kind="stable")
    ends = np.cumsum(mass[order]) / mass.sum()
    middles = ends - mass[order] / mass.sum() / 2
    inside = (middles >= index / count) & (middles < (index + 1) / count) & (mass[order] > 0)
    if inside.any():
        return order[inside]
    # One pixel holds more than a slice: the one that the middle of the slice falls into.
    last = np.flatnonzero(mass[order] > 0)[-1]
    return order[[min(int(np.searchsorted(ends, (index + 0.5) / count)), last)]]


USER = Drawn
