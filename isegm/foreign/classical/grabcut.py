"""GrabCut: two Gaussian mixtures and graph cuts in turn.

Source: Rother, Kolmogorov, Blake, "GrabCut", SIGGRAPH 2004; OpenCV's implementation, which has five
components for object and background, and the contrast weight 50.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from isegm.foreign.classical.base import Classical, Seeds, check_positive


@dataclass(frozen=True)
class GrabCut(Classical):
    """OpenCV's GrabCut with clicks as hard seeds. All other pixels start as probably object where
    the last answer has them, and as probably background elsewhere, as in its editing by strokes.

    Attributes:
        radius: of seeds, in pixels of the image.
        iterations: of mixtures and cut, per click.
        max_side: see ``Classical``.
    """

    radius: float = 5
    iterations: int = 2
    max_side: int | None = 256

    def __post_init__(self) -> None:
        check_positive("grabcut", radius=self.radius, max_side=self.max_side)
        check_positive("grabcut", iterations=self.iterations)

    def segmented(self, prepared: np.ndarray, seeds: Seeds, previous: np.ndarray) -> np.ndarray:
        mask = np.where(previous > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        mask[seeds.on], mask[seeds.off] = cv2.GC_FGD, cv2.GC_BGD
        if not ((mask == cv2.GC_BGD) | (mask == cv2.GC_PR_BGD)).any():
            mask[mask == cv2.GC_PR_FGD] = cv2.GC_PR_BGD  # both mixtures need a pixel
        cv2.setRNGSeed(0)  # the mixtures start from k-means with random centres
        bgr = cv2.cvtColor(prepared, cv2.COLOR_RGB2BGR)
        mixtures = np.zeros((1, 65)), np.zeros((1, 65))
        cut, _, _ = cv2.grabCut(bgr, mask, None, *mixtures, self.iterations, cv2.GC_INIT_WITH_MASK)
        return ((cut == cv2.GC_FGD) | (cut == cv2.GC_PR_FGD)).astype(np.float32)


METHOD = GrabCut
