"""Losses that look at the boundary of the object (FocalClick, arXiv 2204.02574, section 3.2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from isegm.nn.losses.focal import NormalizedFocalLoss

COARSENING = 8


class BoundaryFocalLoss(NormalizedFocalLoss):
    """Normalized focal loss in which pixels off the boundary's band weigh less ("WFNL" of the
    published code).

    Args:
        alpha, gamma: as in ``FocalLoss``. Published config: 0.5 and 2.
        band_weight: pixels in the band weigh 1, the others ``1 - band_weight``. Published config:
            0.5.
    """

    def __init__(self, alpha: float = 0.5, gamma: float = 2.0, band_weight: float = 0.5):
        super().__init__(alpha, gamma)
        self.band_weight = band_weight

    def forward(self, logits: Tensor, target: Tensor, band: Tensor) -> Tensor:
        """``B C H W`` logits, targets and band (0 or 1) to one number: the weighted mean over the
        whole batch.

        As published, ignored pixels add nothing but do count in the mean.
        """
        logits, target = logits.float(), target.float()
        weight = band.float() * self.band_weight + (1 - self.band_weight)
        return (self.per_pixel(logits, target) * weight).sum() / (weight.sum() + self.eps)


def boundary_band(mask: Tensor) -> Tensor:
    """Where an object changes when it is drawn eight times coarser, and two pixels around: its
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
    """As OpenCV resizes an 8-bit mask linearly and cuts it off above 128."""
    return (
        255 * F.interpolate(mask.float(), size=size, mode="bilinear", align_corners=False)
    ).round() > 128
