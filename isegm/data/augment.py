"""The augmentation pipelines of the published training scripts, on albumentations 2. Smaller images
are padded with zeros, their labels with background.

All randomness comes from the generator passed in, so an item is the same in every process.
"""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample

# Otherwise it looks for a newer version on the network at every import.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations as A

Augmentation = Callable[[InstanceSample, np.random.Generator], InstanceSample]
Crop = Sequence[int]  # rows and columns
LEAST_WINDOW = 16  # pixels; the smallest window of AroundObject


@dataclass(frozen=True)
class Pipeline:
    """Resize by a uniform random scale, then apply albumentations transforms. Not thread-safe.

    Attributes:
        transforms: applied to the image and its label layers.
        scale: the range of the scale; (1, 1) keeps the size.
    """

    transforms: A.Compose
    scale: tuple[float, float] = (1.0, 1.0)

    def __call__(self, sample: InstanceSample, rng: np.random.Generator) -> InstanceSample:
        image, layers = self.placed(sample.image, sample.layers, rng)
        # set_random_seed would give every transform the same seed, and all would fire together.
        seed = int(rng.integers(2**63))
        self.transforms.set_random_state(np.random.default_rng(seed), random.Random(seed))
        made = self.transforms(image=image, mask=layers)
        return dataclasses.replace(
            sample, image=made["image"], layers=made["mask"].reshape(*made["mask"].shape[:2], -1)
        )

    def placed(
        self, image: np.ndarray, layers: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Image and layers at the size and place that the transforms get."""
        return _resized(image, layers, rng.uniform(*self.scale))


@dataclass(frozen=True)
class Aligned(Pipeline):
    """A window of random height and width anywhere on the image, resized to the crop; then
    transforms.

    A window larger than the image is padded with black and background, so that objects come in all
    sizes at which a target crop shows them. Source: ``AlignedAugmentator`` in the code of arXiv
    2204.02574.

    # differs from the original: the window is as wide as drawn (there it always reaches from its
    left edge towards the right edge of the image); labels are not interpolated, which invents
    labels at borders; they keep their type (there, labels above 255 wrap around).

    Attributes:
        crop: rows and columns of the result.
        shares: the smallest and the largest window, relative to the image's height and width.
        mean, spread: of the normal distribution, truncated to ``shares``, that both are drawn from.
    """

    crop: tuple[int, int] = (256, 256)
    shares: tuple[float, float] = (0.3, 1.3)
    mean: float = 0.8
    spread: float = 0.4

    def placed(
        self, image: np.ndarray, layers: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        size = [max(1, int(side * self._share(rng))) for side in image.shape[:2]]
        missing = [
            max(0, wanted - side) for wanted, side in zip(size, image.shape[:2], strict=True)
        ]
        before = [int(rng.integers(m + 1)) for m in missing]
        padding = [(b, m - b) for b, m in zip(before, missing, strict=True)] + [(0, 0)]
        top, left = (
            int(rng.integers(max(side, wanted) - wanted + 1))
            for side, wanted in zip(image.shape[:2], size, strict=True)
        )
        window = slice(top, top + size[0]), slice(left, left + size[1])
        height, width = self.crop
        shown = cv2.resize(
            np.pad(image, padding)[window], (width, height), interpolation=cv2.INTER_LINEAR
        )
        labels = cv2.resize(
            np.pad(layers, padding)[window], (width, height), interpolation=cv2.INTER_NEAREST
        )
        return shown, labels.reshape(height, width, -1)

    def _share(self, rng: np.random.Generator) -> float:
        while not self.shares[0] <= (share := rng.normal(self.mean, self.spread)) <= self.shares[1]:
            pass
        return share


@dataclass(frozen=True)
class ObjectCrop(Pipeline):
    """A window of the crop's size around a random pixel of an object; only images smaller than the
    crop are enlarged.

    Source: the training code of "Interactive Image Segmentation with First Click Attention" (CVPR
    2020), which neither flips nor changes colours.

    Attributes:
        crop: rows and columns of the window.
    """

    crop: tuple[int, int] = (512, 512)

    def placed(
        self, image: np.ndarray, layers: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        scale = max(
            1.0, *(wanted / side for wanted, side in zip(self.crop, image.shape[:2], strict=True))
        )
        image, layers = _resized(image, layers, scale)
        pixels = np.flatnonzero(layers.any(2))
        pixel = (
            pixels[rng.integers(len(pixels))]
            if len(pixels)
            else rng.integers(image.shape[0] * image.shape[1])
        )
        window = []
        for place, wanted, side in zip(
            divmod(int(pixel), image.shape[1]), self.crop, image.shape[:2], strict=True
        ):
            start = int(rng.integers(max(0, place - wanted + 1), min(place, side - wanted) + 1))
            window.append(slice(start, start + wanted))
        return image[tuple(window)], layers[tuple(window)]


@dataclass(frozen=True)
class AroundObject(Pipeline):
    """What zoom-in shows: a window around one object, or the whole image; then transforms.

    Both are stretched to the size of the crop. A window lies inside the image.

    Attributes:
        crop: rows and columns of the result.
        whole: probability of the whole image.
        expansion: the smallest and the largest window, relative to the box of the object; drawn
            log-uniformly.
        shift: how far from the center of the window the object may lie: 0 = centered, 1 = anywhere
            inside.
    """

    crop: tuple[int, int] = (256, 256)
    whole: float = 0.35
    expansion: tuple[float, float] = (1.1, 3.0)
    shift: float = 0.8

    def placed(
        self, image: np.ndarray, layers: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        window = self._window(layers, rng) if rng.random() >= self.whole else None
        if window is not None:
            image, layers = image[window], layers[window]
        height, width = self.crop
        smaller = image.shape[0] > height and image.shape[1] > width
        look = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        shown = cv2.resize(image, (width, height), interpolation=look)
        labels = cv2.resize(layers, (width, height), interpolation=cv2.INTER_NEAREST)
        return shown, labels.reshape(height, width, -1)

    def _window(self, layers: np.ndarray, rng: np.random.Generator) -> tuple[slice, slice] | None:
        """Around an object drawn among those of a random layer; None if there is none."""
        layer = layers[:, :, rng.integers(layers.shape[2])]
        labels = np.unique(layer)
        labels = labels[labels > 0]
        if not len(labels):
            return None
        mask = layer == labels[rng.integers(len(labels))]
        left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
        expansion = float(np.exp(rng.uniform(*np.log(self.expansion))))
        window = []
        for start, length, side in ((top, height, layer.shape[0]), (left, width, layer.shape[1])):
            wanted = min(side, max(LEAST_WINDOW, round(expansion * length)))
            offset = rng.uniform(-0.5, 0.5) * self.shift * max(0, wanted - length)
            center = start + length / 2 + offset
            first = int(np.clip(round(center - wanted / 2), 0, side - wanted))
            window.append(slice(first, first + wanted))
        return window[0], window[1]


def photographs(crop: Crop) -> Pipeline:
    """Scale by 0.75 to 1.40, horizontal flip, crop, colour. Source: the COCO+LVIS scripts of arXiv
    2102.06583.
    """
    return Pipeline(
        A.Compose([A.HorizontalFlip(p=0.5), *_cropping(crop), *_colour()]), (0.75, 1.40)
    )


def turned(crop: Crop) -> Pipeline:
    """Scale by 0.75 to 1.25, flips, quarter turns, small shifts and rotations, crop, colour.

    Source: the SBD scripts of arXiv 2102.06583.
    """
    return Pipeline(
        A.Compose([*_any_flip(), *_small_motion(), *_cropping(crop), *_colour()]), (0.75, 1.25)
    )


def cropped(crop: Crop, scale: Sequence[float] = (1.0, 1.0)) -> Pipeline:
    """Scale within a range, pad and crop: for held-out data. Source: arXiv 2102.06583 (on SBD with
    scales from 0.75 to 1.25).
    """
    return Pipeline(A.Compose(_cropping(crop)), tuple(scale))


def resized_crop(crop: Crop) -> Pipeline:
    """Flips, and a window of at least 3/4 of the image's area.

    # differs from the original: it asks for up to 5/4 of the area, which no window can have, and
    draws again.
    """
    transforms = [*_any_flip(), A.RandomResizedCrop(tuple(_checked(crop)), scale=(0.75, 1.0))]
    return Pipeline(A.Compose(transforms), (1.0, 1.0))


def enlarged(crop: Crop) -> Pipeline:
    """Scale by 1.20 to 2.20, flips, crop: objects of a small image at the sizes zoom-in shows them.
    Not from a publication.
    """
    return Pipeline(A.Compose([*_any_flip(), *_cropping(crop)]), (1.20, 2.20))


def aligned(crop: Crop, least: float = 0.3, mean: float = 0.8, colour: bool = False) -> Aligned:
    """A window of ``least`` to 1.3 of the image, flips, perhaps colour; see ``Aligned``.

    Source: arXiv 2204.02574, which has 0.3 and 0.8 on single sets, 0.5 and 1.0 ("wide") on mixes.
    """
    transforms = [A.VerticalFlip(p=0.3), A.HorizontalFlip(p=0.3), *(_colour() if colour else [])]
    return Aligned(
        A.Compose(transforms), crop=tuple(_checked(crop)), shares=(least, 1.3), mean=mean
    )


def fitted(crop: Crop) -> Pipeline:
    """Flips, quarter turns, small shifts and rotations, colour; then the whole image, resized until
    its longer side fits, at the top left of the crop.

    Source: the training scripts of arXiv 2404.00741, which first scale by 0.75 to 1.40; that is
    left out here, since nothing of it remains once the image is resized to fit.
    """
    transforms = [*_any_flip(), *_small_motion(), *_colour(), *_fitting(crop)]
    return Pipeline(A.Compose(transforms))


def fitted_only(crop: Crop) -> Pipeline:
    """The whole image at the top left of the crop, as in ``fitted``: for held-out data."""
    return Pipeline(A.Compose(_fitting(crop)))


def object_crop(crop: Crop) -> ObjectCrop:
    """A window around a pixel of an object, and nothing else; see ``ObjectCrop``."""
    return ObjectCrop(A.Compose([]), crop=tuple(_checked(crop)))


def around_object(crop: Crop) -> AroundObject:
    """What zoom-in shows, flips, colour, and sometimes a gray, blurred or strongly compressed
    picture; see ``AroundObject``.
    """
    transforms = [A.HorizontalFlip(p=0.5), *_colour(), *_degraded()]
    return AroundObject(A.Compose(transforms), crop=tuple(_checked(crop)))


def _checked(crop: Crop) -> Crop:
    if len(crop) != 2 or min(crop) < 1:
        raise IsegmError(f"crop={list(crop)}: expected rows and columns, e.g. [320,480]")
    return crop


def _cropping(crop: Crop) -> list[A.BasicTransform]:
    height, width = _checked(crop)
    return [
        A.PadIfNeeded(height, width, border_mode=cv2.BORDER_CONSTANT, fill=0, fill_mask=0),
        A.RandomCrop(height, width),
    ]


def _fitting(crop: Crop) -> list[A.BasicTransform]:
    height, width = _checked(crop)
    place = {"position": "top_left", "border_mode": cv2.BORDER_CONSTANT, "fill": 0, "fill_mask": 0}
    return [A.LongestMaxSize(max_size_hw=(height, width)), A.PadIfNeeded(height, width, **place)]


def _colour() -> list[A.BasicTransform]:
    # Brightness is relative to the largest value (255), not to the mean of the picture.
    return [
        A.RandomBrightnessContrast((-0.25, 0.25), (-0.15, 0.40), brightness_by_max=True, p=0.75),
        A.RGBShift(10, 10, 10, p=0.75),
    ]


def _degraded() -> list[A.BasicTransform]:
    blur = A.GaussianBlur(blur_limit=(3, 5), p=0.05)
    return [A.ToGray(p=0.05), blur, A.ImageCompression(quality_range=(40, 90), p=0.1)]


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
    labels = cv2.resize(layers, (width, height), interpolation=cv2.INTER_NEAREST)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return image, labels.reshape(height, width, -1)
