"""The published user, who makes a mistake now and then: a fraction of the clicks contradicts the
truth.

Which clicks those are follows from the seed and the object alone. The first click is always right:
there is nothing yet that it could contradict.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError, unknown
from isegm.evaluation.users.base import Look, User
from isegm.evaluation.users.centre import next_click
from isegm.utils.depth import squared_distance_inside

KINDS = ("sign", "outside")
LEAST_REACH = 2  # pixels: "just outside" of a tiny object


@dataclass(frozen=True)
class Contradictory(User):
    """Clicks by the rule of ``centre``, or contrary to it.

    Attributes:
        fraction: of the clicks after the first that are mistakes, from 0 to 1.
        kind: "sign": the click of ``centre`` with the wrong sign. "outside": a positive click on
            the background just outside the object, where every pixel is equally likely; if there is
            none, the wrong sign.
        reach: how far outside that is at most, in share of the object's size (the square root of
            its area), but at least 2 pixels.
        undo: a mistake is undone before the next click. It counts as a click all the same, and the
            IoU after it is recorded; undoing costs nothing. A mistake after which the object is
            finished stays.
        seed: of the random numbers.

    Raises:
        IsegmError: another fraction or kind, or a reach that is not above 0.
    """

    fraction: float = 0.2
    kind: str = "sign"
    reach: float = 0.05
    undo: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise IsegmError(f"contradictory: fraction is {self.fraction}; expected 0 to 1")
        if self.kind not in KINDS:
            raise unknown("kind of contradictory", self.kind, KINDS)
        if not 0 < self.reach < np.inf:
            raise IsegmError(f"contradictory: reach is {self.reach}; expected a share above 0")
        if not isinstance(self.undo, bool):
            raise IsegmError(f"contradictory: undo is {self.undo!r}; expected true or false")

    def click(self, look: Look) -> Click:
        right = next_click(look.mask, look.gt, look.clicks)
        if not self.mistaken(look):
            return right
        outside = self._outside(look) if self.kind == "outside" else None
        return outside or Click(right.y, right.x, not right.positive)

    def takes_back(self, look: Look) -> bool:
        return self.undo and self.mistaken(look)

    def mistaken(self, look: Look) -> bool:
        """Whether the click of this look is a mistake."""
        luck = look.rng(self.seed, for_object=True).random(look.made + 1)[-1]
        return look.made > 0 and bool(luck < self.fraction)

    def _outside(self, look: Look) -> Click | None:
        reach = max(LEAST_REACH, self.reach * float(np.sqrt((look.gt == 1).sum())))
        margin = int(np.ceil(reach)) + 1  # no image border within reach of what lies outside
        off = np.pad(look.gt != 1, margin, constant_values=True)
        distance = squared_distance_inside(off)[margin:-margin, margin:-margin]
        places = np.argwhere((look.gt == 0) & (distance <= reach * reach))
        if not len(places):
            return None
        y, x = places[look.rng(self.seed).integers(len(places))]
        return Click(int(y), int(x), True)


USER = Contradictory
