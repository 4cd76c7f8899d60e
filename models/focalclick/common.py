"""What FocalClick's recipes share (published: models/focalclick of ClickSEG)."""

from __future__ import annotations

import shared
from shared import Parts

from isegm.core.registry import Spec, spec
from isegm.data.augment import aligned
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sampling.regions import LargeRegions

CROP = (256, 256)
SAMPLED = spec(MultiPoint, max_clicks=24, gamma=0.8, merge_prob=0.15, first_click_center=True)


def cocolvis(augment: Spec) -> Parts:
    clicks = spec(LargeRegions, sampler=SAMPLED, min_region=900, min_area=1000, max_share=0.85)
    return shared.cocolvis(SAMPLED, augment, stuff_prob=0.20, sampler=clicks)


def comb(colour: bool) -> Parts:
    clicks = spec(LargeRegions, sampler=SAMPLED, min_region=900, min_area=1000, max_share=0.85)
    return shared.comb(
        SAMPLED, spec(aligned, crop=CROP, least=0.5, mean=1.0, colour=colour), sampler=clicks
    )


def sbd() -> Parts:
    clicks = spec(LargeRegions, sampler=SAMPLED, min_region=900, min_area=80, max_share=0.85)
    return shared.sbd(
        SAMPLED, spec(aligned, crop=CROP, colour=True), {"epoch_len": 500}, sampler=clicks
    )
