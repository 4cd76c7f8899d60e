"""The simulated user of the published NoC protocol: clicks in the middle of the largest error.

Source: f-BRS and RITM (arXiv 2102.06583), reference evaluator; ties and degenerate cases follow it
exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isegm.core.clicks import Click
from isegm.evaluation.users.base import Look, User
from isegm.utils.depth import deepest


@dataclass(frozen=True)
class Centre(User):
    """Clicks by the rule of ``next_click``, without settings."""

    def click(self, look: Look) -> Click:
        return next_click(look.mask, look.gt, look.clicks)


def next_click(mask: np.ndarray, gt: np.ndarray, clicked: Sequence[Click] = ()) -> Click:
    """The next click on a wrong answer.

    The click goes to the deepest pixel of the false negatives or the false positives, whichever is
    deeper. Ignored pixels are not errors, the image border counts as background, and clicked pixels
    are excluded. Equal depths give a negative click, equal pixels the first in row order. Without
    errors, it is a negative click at (0, 0).

    Args:
        mask: ``H W`` bool, the current answer.
        gt: ``H W`` int, 1 = object, 0 = background, -1 = ignored.
        clicked: the clicks made so far.
    """
    false_negative = (gt == 1) & ~mask
    false_positive = (gt == 0) & mask
    positive = deepest(false_negative, clicked)
    negative = deepest(false_positive, clicked)
    on_object = positive[0] > negative[0]
    _, y, x = positive if on_object else negative
    return Click(y, x, on_object)


USER = Centre
