"""What CDNet's recipes share: FocalClick's data in larger crops."""

from __future__ import annotations

import shared
from shared import Parts

from isegm.core.registry import spec
from isegm.data.augment import aligned
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sampling.regions import LargeRegions

CROP = (384, 384)
SAMPLED = spec(MultiPoint, max_clicks=24, gamma=0.8, merge_prob=0.15, first_click_center=True)


def cocolvis() -> Parts:
    clicks = spec(LargeRegions, sampler=SAMPLED, min_region=900, min_area=1000, max_share=0.85)
    return shared.cocolvis(SAMPLED, spec(aligned, crop=CROP), stuff_prob=0.20, sampler=clicks)


def sbd() -> Parts:
    clicks = spec(LargeRegions, sampler=SAMPLED, min_region=900, min_area=80, max_share=0.85)
    return shared.sbd(
        SAMPLED, spec(aligned, crop=CROP, colour=True), {"epoch_len": 500}, sampler=clicks
    )
