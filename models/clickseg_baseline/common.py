"""What the recipes of ClickSEG's light baselines share: FocalClick's data in larger crops, and
fewer clicks.
"""

from __future__ import annotations

import shared
from shared import Parts

from isegm.core.registry import spec
from isegm.data.augment import aligned
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sampling.regions import LargeRegions

CROP = (384, 384)


def cocolvis() -> Parts:
    clicks = spec(MultiPoint, max_clicks=24, gamma=0.7, merge_prob=0.15, first_click_center=True)
    large = spec(LargeRegions, sampler=clicks, min_region=900, min_area=1000, max_share=0.85)
    return shared.cocolvis(clicks, spec(aligned, crop=CROP), stuff_prob=0.20, sampler=large)


def comb(stuff_prob: float = 0.10, gamma: float = 0.7, first_click_center: bool = True) -> Parts:
    sampled = {
        "max_clicks": 24,
        "gamma": gamma,
        "merge_prob": 0.15,
        "first_click_center": first_click_center,
    }
    clicks = spec(MultiPoint, **sampled)
    large = spec(LargeRegions, sampler=clicks, min_region=900, min_area=1000, max_share=0.85)
    return shared.comb(
        clicks, spec(aligned, crop=CROP, least=0.5, mean=1.0), stuff_prob, sampler=large
    )
