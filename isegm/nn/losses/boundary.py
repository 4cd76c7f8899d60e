"""Losses that stress the boundary of the object (FocalClick, arXiv 2204.02574, section 3.2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from isegm.nn.losses.focal import NormalizedFocalLoss

COARSENING = 8


class BoundaryFocalLoss(NormalizedFocalLoss):
    """Normalized focal loss with lower weights outside a band around the boundary ("WFNL" of the
    published code).

    Args:
        alpha, gamma: as in ``FocalLoss``. Published config: 0.5 and 2.
        band_weight: pixels outside the band have the weight ``1 - band_weight``, the others 1.
            Published config: 0.5.
    """

    def __init__(self, alpha: float = 0.5, gamma: float = 2.0, band_weight: float = 0.5):
        super().__init__(alpha, gamma)
        self.band_weight = band_weight

    def forward(self, logits: Tensor, target: Tensor, band: Tensor) -> Tensor:
        """``B C H W`` logits, targets and band (0 or 1) to one number: the weighted mean over the
        whole batch.

        As published, ignored pixels contribute 0 to the mean.
        """
        logits, target = logits.float(), target.float()
        weight = band.float() * self.band_weight + (1 - self.band_weight)
        return (self.per_pixel(logits, target) * weight).sum() / (weight.sum() + self.eps)


def boundary_band(mask: Tensor) -> Tensor:
    """Where an object changes when it is drawn eight times coarser, widened by two pixels: its
    boundary and fine details.

    Args:
        mask: ``B 1 H W`` bool.

    Returns:
        ``B 1 H W`` bool.
    """
    height, width = mask.shape[-2:]
    small = (max(1, height // COARSENING), max(1, width // COARSENING))
    coarse = _resized(_resized(mask, small), (height, width))
    lost = (mask ^ coarse).float()
    for _ in range(2):
        lost = F.max_pool2d(lost, 3, stride=1, padding=1)
    return lost.bool()


def _resized(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """As OpenCV's linear resize of an 8-bit mask, thresholded at 128."""
    resized = F.interpolate(mask.float(), size=size, mode="bilinear", align_corners=False)
    return (255 * resized).round() > 128
