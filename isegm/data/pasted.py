"""Scenes of several objects, made by pasting the objects of one source onto its other images.

Where every image shows one salient object, clicks hardly matter: the network learns to answer with what is salient. Here one
of several objects is the target, and only the click tells which.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.dataset import Source


@dataclass(frozen=True)
class PastedScenes:
    """Images of a source with up to ``most`` objects of its other images pasted on.

    Every reading makes a scene of its own. An object that is pasted later covers the others; all of them, and those of the image
    itself, are objects of the scene, so the sampler chooses among them.

    Args:
        source: of images and objects; the objects of its images must not overlap.
        most: pasted objects; at least 1 of them.
        least_share, most_share: the longer side of a pasted object, as a share of the longer side of the image.
    """

    source: Source
    most: int = 3
    least_share: float = 0.2
    most_share: float = 0.7

    def __len__(self) -> int:
        return len(self.source)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        scene = self.source.read(index, rng)
        image, labels = scene.image.copy(), np.zeros(scene.image.shape[:2], np.uint8)
        for number, key in enumerate(scene.objects, 1):
            labels[scene.object_mask(key)] = number
        count = len(scene.objects)
        for _ in range(int(rng.integers(1, self.most + 1))):
            other = self.source.read(int(rng.integers(len(self.source))), rng)
            count += 1
            self._paste(image, labels, count, other, rng)
        numbers = [int(n) for n in np.unique(labels) if n]
        return InstanceSample(image, labels[:, :, None], {n: ObjectInfo(0, n) for n in numbers}, id=scene.id)

    def _paste(
        self, image: np.ndarray, labels: np.ndarray, number: int, other: InstanceSample, rng: np.random.Generator
    ) -> None:
        """Draw one object of another image into the scene, in place."""
        mask = other.object_mask(list(other.objects)[rng.integers(len(other.objects))]).view(np.uint8)
        left, top, width, height = cv2.boundingRect(mask)
        box = slice(top, top + height), slice(left, left + width)
        scale = rng.uniform(self.least_share, self.most_share) * max(labels.shape) / max(height, width)
        size = max(2, round(width * scale)), max(2, round(height * scale))
        look = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        pixels = cv2.resize(other.image[box], size, interpolation=look)
        alpha = cv2.resize(mask[box].astype(np.float32), size, interpolation=look)
        if rng.random() < 0.5:
            pixels, alpha = pixels[:, ::-1], alpha[:, ::-1]
        # The centre lies inside the image, so that a good part of the object is seen.
        start = [int(rng.integers(side)) - half // 2 for side, half in zip(labels.shape, alpha.shape, strict=True)]
        on = tuple(slice(max(0, s), min(side, s + a)) for s, side, a in zip(start, labels.shape, alpha.shape, strict=True))
        of = tuple(slice(o.start - s, o.stop - s) for s, o in zip(start, on, strict=True))
        share = alpha[of][:, :, None]
        image[on] = (share * pixels[of] + (1 - share) * image[on]).round().astype(np.uint8)
        labels[on][alpha[of] > 0.5] = number
