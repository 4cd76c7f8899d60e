"""What RITM's recipes share: crops of 320 x 480 and up to 24 clicks per sign."""

from __future__ import annotations

from typing import Any

import shared
from shared import SBD_VAL_SCALE, Parts, pair

from isegm.core.registry import Spec, spec
from isegm.data.augment import cropped, photographs, turned
from isegm.data.mix import Joined
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.ade20k import ade20k_images
from isegm.data.sources.coco_panoptic import coco_panoptic_images
from isegm.data.sources.lvis import lvis_images
from isegm.data.sources.open_images import open_images
from isegm.data.sources.pascal_voc import pascal_voc_images
from isegm.data.sources.sbd import sbd_images

CROP = (320, 480)
CLICKS = spec(MultiPoint, max_clicks=24, gamma=0.8, merge_prob=0.15)
AUGMENT = spec(photographs, crop=CROP)


def cocolvis() -> Parts:
    return shared.cocolvis(CLICKS, AUGMENT, stuff_prob=0.30)


def cocolvis_small_objects() -> Parts:
    """Of the loss ablation and the baseline with DeepLabV3+: smaller objects, and no empty
    crops.
    """
    return shared.cocolvis(
        CLICKS, AUGMENT, stuff_prob=0.30, min_object_area=80, keep_background=0.0
    )


def coco_panoptic() -> Parts:
    train = spec(coco_panoptic_images, split="train2017", stuff_prob=0.30)
    return _random_images(train, spec(coco_panoptic_images, split="val2017"), val_background=0.05)


def lvis() -> Parts:
    return _random_images(
        spec(lvis_images, split="train"), spec(lvis_images, split="val"), val_background=0.0
    )


def openimages() -> Parts:
    train, val = (spec(open_images, split=split) for split in ("train", "validation"))
    return _random_images(train, val, val_background=0.05)


def ade20k() -> Parts:
    train = spec(ade20k_images, split="training", parts=True, stuff_prob=0.30)
    val = spec(ade20k_images, split="validation", parts=True)
    return _random_images(train, val, val_background=0.05, min_object_area=80)


def sbd_iterative() -> Parts:
    val = {"augment": spec(cropped, crop=CROP, scale=SBD_VAL_SCALE), "epoch_len": 500}
    return shared.sbd(CLICKS, spec(turned, crop=CROP), val, keep_background=0.01)


def sbd_baseline() -> Parts:
    return shared.sbd(CLICKS, AUGMENT, {"min_object_area": 1000})


def voc_sbd() -> Parts:
    """The training images of PASCAL VOC 2012 and of SBD, every one once per epoch; held-out images
    are of SBD.

    SBD trains on images that VOC validates on, so the set PascalVOC says little about such a
    network.

    # differs from the original: VOC's objects are told apart by palette index, not by the gray
    level of their colour; the sample scores of SBD, which have no effect there, are not read.
    """
    train = spec(
        Joined, sources=[spec(pascal_voc_images, split="train"), spec(sbd_images, split="train")]
    )
    data = {"augment": AUGMENT, "min_object_area": 80}
    return pair(train, spec(sbd_images, split="val"), CLICKS, data, {"min_object_area": 1000})


def _random_images(train: Spec, val: Spec, val_background: float, **settings: Any) -> Parts:
    data = {
        "augment": AUGMENT,
        "epoch_len": 30_000,
        "min_object_area": 1000,
        "keep_background": 0.05,
        **settings,
    }
    return pair(train, val, CLICKS, data, {"epoch_len": 2000, "keep_background": val_background})
