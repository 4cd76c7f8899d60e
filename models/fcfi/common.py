"""What FCFI's recipes share: the first click in the middle of the object."""

from __future__ import annotations

import shared
from shared import Parts

from isegm.core.registry import spec
from isegm.data.augment import photographs
from isegm.data.sampling.multi_point import MultiPoint

CLICKS = spec(MultiPoint, max_clicks=24, gamma=0.8, merge_prob=0.15, first_click_center=True)
AUGMENT = spec(photographs, crop=(320, 480))


def cocolvis() -> Parts:
    return shared.cocolvis(CLICKS, AUGMENT, stuff_prob=0.30)


def sbd() -> Parts:
    return shared.sbd(CLICKS, AUGMENT, {"epoch_len": 500}, keep_background=0.01)
