"""The augmentation pipelines of the published training scripts, on albumentations 2.

Everything random comes from the generator that is passed in: an item is the same in whatever process it is made.
"""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from isegm.core.errors import IsegmError, unknown
from isegm.core.samples import InstanceSample

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for a newer version at every import
import albumentations as A

Augmentation = Callable[[InstanceSample, np.random.Generator], InstanceSample]


@dataclass(frozen=True)
class Pipeline:
    """Resize by a uniform random scale, then a list of albumentations transforms. Not for several threads at once.

    Attributes:
        transforms: applied to the image and its label layers.
        scale: the range of the scale; (1, 1) leaves the size alone.
    """

    transforms: A.Compose
    scale: tuple[float, float] = (1.0, 1.0)

    def __call__(self, sample: InstanceSample, rng: np.random.Generator) -> InstanceSample:
        image, layers = _resized(sample.image, sample.layers, rng.uniform(*self.scale))
        # One shared generator. set_random_seed would give the same seed to every transform, and they would all fire together.
        seed = int(rng.integers(2**63))
        self.transforms.set_random_state(np.random.default_rng(seed), random.Random(seed))
        made = self.transforms(image=image, mask=layers)
        return dataclasses.replace(sample, image=made["image"], layers=made["mask"].reshape(*made["mask"].shape[:2], -1))


def pipeline(name: str, crop: tuple[int, int]) -> Pipeline:
    """A published pipeline by name.

    Args:
        name: ``"coco"`` (RITM on COCO+LVIS: scale 0.75-1.40, horizontal flip, crop, colour), ``"sbd"`` (RITM on SBD: scale
            0.75-1.25, flips, quarter turns, small shifts and rotations, crop, colour), ``"val"`` (pad and crop),
            ``"val_sbd"`` (scale 0.75-1.25, pad and crop), or ``"zoom"`` (scale 0.80-2.50, flips, crop: the sizes at which
            zoom-in shows the objects of a small image; not a published one).
        crop: rows and columns of the result; smaller images are padded with zeros, their labels with background.
    """
    if len(crop) != 2 or min(crop) < 1:
        raise IsegmError(f"crop must be (rows, columns), got {crop}")
    known: dict[str, tuple[list[A.BasicTransform | A.BaseCompose], tuple[float, float]]] = {
        "coco": ([A.HorizontalFlip(p=0.5), *_cropping(crop), *_colour()], (0.75, 1.40)),
        "sbd": ([*_any_flip(), *_small_motion(), *_cropping(crop), *_colour()], (0.75, 1.25)),
        "val": (_cropping(crop), (1.0, 1.0)),
        "val_sbd": (_cropping(crop), (0.75, 1.25)),
        "zoom": ([*_any_flip(), *_cropping(crop)], (0.80, 2.50)),
    }
    if name not in known:
        raise unknown("augmentation", name, known)
    transforms, scale = known[name]
    return Pipeline(A.Compose(transforms), scale)


def _cropping(crop: tuple[int, int]) -> list[A.BasicTransform]:
    height, width = crop
    return [A.PadIfNeeded(height, width, border_mode=cv2.BORDER_CONSTANT, fill=0, fill_mask=0), A.RandomCrop(height, width)]


def _colour() -> list[A.BasicTransform]:
    # Brightness is relative to the largest value (255), not to the mean of the picture.
    return [
        A.RandomBrightnessContrast((-0.25, 0.25), (-0.15, 0.40), brightness_by_max=True, p=0.75),
        A.RGBShift(10, 10, 10, p=0.75),
    ]


def _any_flip() -> list[A.BaseCompose]:
    both = A.Sequential([A.HorizontalFlip(p=1), A.VerticalFlip(p=1)], p=1)
    return [A.OneOf([A.HorizontalFlip(p=1), A.VerticalFlip(p=1), both], p=0.5)]


def _small_motion() -> list[A.BasicTransform]:
    shift = (-0.03, 0.03)
    return [
        A.RandomRotate90(p=0.5),
        A.Affine(
            scale=1.0,
            translate_percent={"x": shift, "y": shift},
            rotate=(-3, 3),
            border_mode=cv2.BORDER_CONSTANT,
            p=0.75,
        ),
    ]


def _resized(image: np.ndarray, layers: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    if scale == 1:
        return image, layers
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    resized = cv2.resize(layers, (width, height), interpolation=cv2.INTER_NEAREST)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), resized.reshape(height, width, -1)
