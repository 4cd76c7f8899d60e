"""What SimpleClick's recipes share: RITM's data in square crops."""

from __future__ import annotations

import shared
from shared import SBD_VAL_SCALE, Parts

from isegm.core.registry import spec
from isegm.data.augment import cropped, photographs, turned
from isegm.data.sampling.multi_point import MultiPoint

CLICKS = spec(MultiPoint, max_clicks=24, gamma=0.8, merge_prob=0.15)


def cocolvis(side: int) -> Parts:
    return shared.cocolvis(CLICKS, spec(photographs, crop=(side, side)), stuff_prob=0.30)


def sbd(side: int) -> Parts:
    crop = (side, side)
    val = {"augment": spec(cropped, crop=crop, scale=SBD_VAL_SCALE), "epoch_len": 500}
    return shared.sbd(CLICKS, spec(turned, crop=crop), val, keep_background=0.01)
