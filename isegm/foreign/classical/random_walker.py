"""Random walker: the probability that a walk from a pixel meets an object seed first.

Source: Grady, "Random walks for image segmentation", PAMI 2006; scikit-image's implementation.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from isegm.foreign.classical.base import UNKNOWN, Classical, Seeds, check_positive
from isegm.utils.extras import needed

DIRECT = 1 << 17  # pixels; memory of the direct solver grows faster than the image


@dataclass(frozen=True)
class RandomWalker(Classical):
    """scikit-image's ``random_walker`` on colours, solved directly, or above ``DIRECT`` pixels by
    conjugate gradients. Until the first negative click the image's border is background, because
    walks must be able to end there.

    Attributes:
        radius: of seeds, in pixels of the image.
        beta: how much a colour difference hinders a walk; scikit-image's default.
        max_side: see ``Classical``; a linear system is solved at every click, which is slow on
            large images.
    """

    radius: float = 5
    beta: float = 130
    max_side: int | None = 192

    def __post_init__(self) -> None:
        check_positive("random_walker", radius=self.radius, max_side=self.max_side, beta=self.beta)
        needed("skimage.segmentation", "classical", "random_walker", "scikit-image")

    def segmented(self, prepared: np.ndarray, seeds: Seeds, previous: np.ndarray) -> np.ndarray:
        skimage = needed("skimage.segmentation", "classical", "random_walker", "scikit-image")
        label = seeds.with_border().label
        if (label != UNKNOWN).all():
            return (label == 1).astype(np.float32)
        # Its labels: 0 = not known, 1 and 2 = seeds.
        marked = np.select([label == 1, label == 0], [1, 2], 0).astype(np.int32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of slower solvers than the one asked for
            prob = skimage.random_walker(
                prepared.astype(np.float64) / 255,
                marked,
                beta=self.beta,
                mode="bf" if marked.size <= DIRECT else "cg_j",
                channel_axis=-1,
                return_full_prob=True,
            )
        return np.clip(prob[0], 0, 1)


METHOD = RandomWalker
