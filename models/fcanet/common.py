"""What FCA-Net's recipes share: the clicks of its paper, in crops around one object."""

from __future__ import annotations

from typing import Any

from shared import Parts, pair

from isegm.core.registry import spec
from isegm.data.augment import object_crop
from isegm.data.sampling.spaced import Spaced
from isegm.data.sources.pascal_sbd import pascal_sbd_objects
from isegm.data.sources.synthetic import SyntheticSource
from isegm.training.experiment import Training
from isegm.training.optimisation import SGD, Adam, MultiStep, Polynomial

CROP, SCENE = (512, 512), (160, 160)
SMALL: dict[str, Any] = {
    "depths": (2, 2, 2, 3),
    "width": 16,
    "head_width": 32,
}  # of the networks for scenes
SMALL |= {"click_width": 30, "first_click_width": 80, "head_lr": 1.0}


def pascal_sbd() -> Parts:
    """Every object of augmented PASCAL VOC once per epoch."""
    views = {"augment": spec(object_crop, crop=CROP), "min_object_area": 1}
    train, val = (spec(pascal_sbd_objects, split=split) for split in ("train", "val"))
    return pair(train, val, spec(Spaced), views, views)


def scenes() -> Parts:
    """640 scenes that come back in every epoch, as objects must that are replayed."""
    train = spec(SyntheticSource, size=SCENE, length=640, repeated=True)
    whole = {"augment": None, "min_object_area": 0}
    clicks = spec(Spaced, merge_prob=0.15)
    return pair(
        train,
        spec(SyntheticSource, size=SCENE, length=64),
        clicks,
        whole,
        {**whole, "epoch_len": 64},
    )


def training(pretrained: str) -> Training:
    return Training(
        epochs=33,
        batch_size=8,
        optimizer=spec(SGD, lr=0.007, momentum=0.9, weight_decay=5e-4),
        schedule=spec(Polynomial, epochs=30),
        pretrained=pretrained,
    )


def small_training() -> Training:
    schedule = spec(MultiStep, at=(8, 9))
    speed = {"amp": "auto", "channels_last": True}
    return Training(
        epochs=10, batch_size=8, optimizer=spec(Adam, lr=2e-3), schedule=schedule, ema=0.99, **speed
    )
