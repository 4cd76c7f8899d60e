"""Scenes of several objects, made by pasting the objects of one source onto its other images.

If every image shows one salient object, clicks hardly matter: the network learns to segment what is
salient. Here one of several objects is the target, and only the click says which.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.dataset import Source


@dataclass(frozen=True)
class PastedScenes:
    """Images of a source with up to ``most`` objects of its other images pasted on.

    Every reading makes a different scene. Objects pasted later cover earlier ones. The sampler
    chooses among all of them and those of the image itself. Where the image's truth is unknown, it
    stays unknown unless something covers it.

    Attributes:
        source: of images and objects; the objects of one image must not overlap.
        most: the most objects pasted; at least 1 is, if its image has any.
        least_share, most_share: the longer side of a pasted object, as a share of the longer side
            of the image.

    Raises:
        IsegmError: ``most`` is below 1, or the shares are not 0 < least <= most.
    """

    source: Source
    most: int = 3
    least_share: float = 0.2
    most_share: float = 0.7

    def __post_init__(self) -> None:
        if self.most < 1 or not 0 < self.least_share <= self.most_share:
            raise IsegmError(
                f"PastedScenes(most={self.most}, least_share={self.least_share},"
                f" most_share={self.most_share}): expected most >= 1 and"
                " 0 < least_share <= most_share"
            )

    def __len__(self) -> int:
        return len(self.source)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        scene = self.source.read(index, rng)
        image, labels = scene.image.copy(), _numbered(scene, self.most)
        count = unknown = len(scene.objects) + 1
        for _ in range(int(rng.integers(1, self.most + 1))):
            other = self.source.read(int(rng.integers(len(self.source))), rng).cleaned()
            if other.objects:
                count += 1
                self._paste(image, labels, count, other, rng)
        numbers = [int(n) for n in np.unique(labels) if n not in (0, unknown)]
        objects = {n: ObjectInfo(0, n) for n in numbers}
        ignored = ((0, unknown),) if (labels == unknown).any() else ()
        return InstanceSample(image, labels[:, :, None], objects, ignored, scene.id)

    def _paste(
        self,
        image: np.ndarray,
        labels: np.ndarray,
        number: int,
        other: InstanceSample,
        rng: np.random.Generator,
    ) -> None:
        """Draw one object of another image into the scene, in place."""
        key = list(other.objects)[rng.integers(len(other.objects))]
        mask = other.object_mask(key).view(np.uint8)
        left, top, width, height = cv2.boundingRect(mask)
        box = slice(top, top + height), slice(left, left + width)
        share = rng.uniform(self.least_share, self.most_share)
        scale = share * max(labels.shape) / max(height, width)
        size = max(2, round(width * scale)), max(2, round(height * scale))
        look = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        pixels = cv2.resize(other.image[box], size, interpolation=look)
        alpha = cv2.resize(mask[box].astype(np.float32), size, interpolation=look)
        if rng.random() < 0.5:
            pixels, alpha = pixels[:, ::-1], alpha[:, ::-1]
        # The center lies inside the image, so that a good part of the object is seen.
        sides = list(zip(labels.shape, alpha.shape, strict=True))
        start = [int(rng.integers(side)) - length // 2 for side, length in sides]
        ends = [min(side, s + length) for s, (side, length) in zip(start, sides, strict=True)]
        on = tuple(slice(max(0, s), end) for s, end in zip(start, ends, strict=True))
        of = tuple(slice(o.start - s, o.stop - s) for s, o in zip(start, on, strict=True))
        weight = alpha[of][:, :, None]
        image[on] = (weight * pixels[of] + (1 - weight) * image[on]).round().astype(np.uint8)
        labels[on][alpha[of] > 0.5] = number


def _numbered(scene: InstanceSample, further: int) -> np.ndarray:
    """``H W``: the objects of a scene as 1, 2, ..., and the next number where the truth is unknown;
    the type leaves room for ``further`` objects.
    """
    most = len(scene.objects) + 1 + further
    labels = np.zeros(scene.image.shape[:2], np.uint8 if most <= 255 else np.uint16)
    for number, key in enumerate(scene.objects, 1):
        labels[scene.object_mask(key)] = number
    labels[scene.ignore_mask()] = len(scene.objects) + 1
    return labels
