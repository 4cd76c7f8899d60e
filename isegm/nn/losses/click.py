"""FCA-Net's click loss: errors near a click of the right sign count more (CVPR 2020, section 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from isegm.core.samples import IGNORE

REACH, LOWEST, HIGHEST = 100.0, 0.8, 2.0  # tau, alpha and beta


def click_weights(on_object: Tensor, off_object: Tensor | None, target: Tensor) -> Tensor:
    """How much each pixel counts: ``HIGHEST`` at a click, falling linearly to ``LOWEST`` at ``REACH`` pixels.

    Args:
        on_object: ``B 1 H W``, the distance in pixels to the clicks that matter for pixels of the object.
        off_object: the same for pixels of the background; None: none does, so that these count ``LOWEST``.
        target: ``B 1 H W``, object above 0.5.

    Returns:
        ``B 1 H W`` in [``LOWEST``, ``HIGHEST``].
    """
    far = torch.full_like(on_object, REACH) if off_object is None else off_object
    distance = torch.where(target > 0.5, on_object, far).clamp(max=REACH)
    return LOWEST + (1 - distance / REACH) * (HIGHEST - LOWEST)


def weighted_bce(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean over all pixels of weights times binary cross entropy; ignored pixels add nothing, but do count in the mean.

    Args:
        logits, target: ``B 1 H W``; the target is 1, 0, soft values in between, or -1 = ignored.
        weights: ``B 1 H W``; None: 1.
    """
    valid = (target != IGNORE).float()
    loss = F.binary_cross_entropy_with_logits(logits.float(), target.float() * valid, reduction="none") * valid
    return (loss if weights is None else loss * weights).mean()
