"""What SegNext's recipes share: RITM's clicks, and whole images in squares of 1024 pixels."""

from __future__ import annotations

import shared
from shared import Parts

from isegm.core.registry import spec
from isegm.data.augment import fitted, fitted_only
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.hqseg44k import hqseg44k_images
from isegm.training.experiment import Training
from isegm.training.optimisation import Adam, MultiStep

SIDE = 1024
CLICKS = spec(MultiPoint, max_clicks=24, gamma=0.8, merge_prob=0.15)
WHOLE = spec(fitted, crop=(SIDE, SIDE))
HELD_OUT = spec(fitted_only, crop=(SIDE, SIDE))


def cocolvis() -> Parts:
    parts = shared.cocolvis(CLICKS, WHOLE, stuff_prob=0.30)
    parts["val"]["args"]["augment"] = HELD_OUT
    return parts


def hqseg44k() -> Parts:
    """HQSeg-44K, 30,000 random images per epoch."""
    data = {"augment": WHOLE, "epoch_len": 30_000, "min_object_area": 1000, "keep_background": 0.05}
    source, held_out = (spec(hqseg44k_images, split=split) for split in ("train", "val"))
    val = {"augment": HELD_OUT, "epoch_len": 200}
    return shared.pair(source, held_out, CLICKS, data, val)


def training(batch_size: int, pretrained: str | None = "MAE_BASE") -> Training:
    """The published schedule, for 4 GPUs of 48 GB."""
    return Training(
        epochs=100,
        batch_size=batch_size,
        optimizer=spec(Adam, lr=5e-5),
        schedule=spec(MultiStep, at=(50, 90)),
        pretrained=pretrained,
    )
