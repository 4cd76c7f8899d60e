"""What f-BRS' recipes share: SBD, and up to 10 clicks per sign."""

from __future__ import annotations

import shared
from shared import SBD_VAL_SCALE, Parts

from isegm.core.registry import spec
from isegm.data.augment import cropped, turned
from isegm.data.sampling.multi_point import MultiPoint

CROP = (320, 480)
CLICKS = spec(MultiPoint, max_clicks=10, gamma=0.7, merge_prob=0.15)


def sbd() -> Parts:
    val = {"augment": spec(cropped, crop=CROP, scale=SBD_VAL_SCALE)}
    return shared.sbd(CLICKS, spec(turned, crop=CROP), val)
