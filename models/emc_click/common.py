"""What EMC-Click's recipes share: one click in the middle of each of up to two objects, and a
patient user.
"""

from __future__ import annotations

import shared
from shared import Parts

from isegm.core.registry import spec
from isegm.data.augment import photographs
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sampling.regions import LargeRegions
from isegm.training.users.patient import Patient

SAMPLED = spec(MultiPoint, max_clicks=2, gamma=0.0, merge_prob=0.15, first_click_center=True)
USER = spec(Patient, max_rounds=23, round_decay=0.8)


def cocolvis() -> Parts:
    clicks = spec(LargeRegions, sampler=SAMPLED, min_region=900, min_area=1000, max_share=0.85)
    augment = spec(photographs, crop=(320, 480))
    return shared.cocolvis(SAMPLED, augment, stuff_prob=0.20, keep_background=0.0, sampler=clicks)
