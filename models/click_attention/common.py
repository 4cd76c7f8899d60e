"""What ClickAttention's recipes share: FocalClick's data in larger crops, small regions of a target
left alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import shared
from shared import Parts, pair

from isegm.core.registry import spec
from isegm.data.augment import aligned
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.synthetic import SyntheticSource
from isegm.training.experiment import Training
from isegm.training.optimisation import AdamW, MultiStep

CLICKS = spec(MultiPoint, max_clicks=24, gamma=0.8, merge_prob=0.15, first_click_center=True)


def cocolvis(crop: Sequence[int] = (512, 512)) -> Parts:
    return shared.cocolvis(CLICKS, spec(aligned, crop=crop, colour=True), stuff_prob=0.20)


def training(pretrained: str) -> Training:
    return Training(
        epochs=500,
        batch_size=64,
        optimizer=spec(AdamW, lr=5e-4, weight_decay=0.01),
        schedule=spec(MultiStep, at=(160, 210)),
        sync_bn=True,
        pretrained=pretrained,
    )


def baseline_training(pretrained: str) -> Training:
    return Training(
        epochs=230,
        batch_size=28,
        optimizer=spec(AdamW, lr=1e-3, weight_decay=0.01),
        schedule=spec(MultiStep, at=(160, 210)),
        pretrained=pretrained,
    )


def scenes() -> Parts:
    """Few sampled clicks, the first in the middle of the object: the user adds the corrections, as
    at test time.
    """
    clicks = spec(MultiPoint, max_clicks=6, gamma=0.7, merge_prob=0.15, first_click_center=True)
    train, val = (spec(SyntheticSource, size=(128, 128), length=length) for length in (1600, 64))
    whole = {"augment": None, "min_object_area": 0}
    return pair(train, val, clicks, {**whole, "epoch_len": 1600}, {**whole, "epoch_len": 64})


def small_training() -> Training:
    schedule = spec(MultiStep, at=(7,))
    optimizer = spec(AdamW, lr=1e-3, weight_decay=0.01)
    return Training(
        epochs=8, batch_size=16, optimizer=optimizer, schedule=schedule, ema=0.99, amp="auto"
    )
