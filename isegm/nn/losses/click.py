"""Click losses: errors count more near clicks (FCA-Net, CVPR 2020, section 3.3) or under clicks
(CDNet, ICCV 2021).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from isegm.core.samples import IGNORE

REACH, LOWEST, HIGHEST = 100.0, 0.8, 2.0  # tau, alpha and beta of FCA-Net
ELSEWHERE = 0.01  # CDNet's weight of a pixel that no click covers; under a click it is 1


def click_weights(on_object: Tensor, off_object: Tensor | None, target: Tensor) -> Tensor:
    """The weight of each pixel: ``HIGHEST`` at a click, falling linearly to ``LOWEST`` at
    ``REACH`` pixels.

    Args:
        on_object: ``B 1 H W``, the distance in pixels to the clicks that count for pixels of the
            object.
        off_object: the same for pixels of the background; None gives these ``LOWEST``.
        target: ``B 1 H W``, object above 0.5.

    Returns:
        ``B 1 H W`` in [``LOWEST``, ``HIGHEST``].
    """
    far = torch.full_like(on_object, REACH) if off_object is None else off_object
    distance = torch.where(target > 0.5, on_object, far).clamp(max=REACH)
    return LOWEST + (1 - distance / REACH) * (HIGHEST - LOWEST)


def weighted_bce(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean over all pixels of weights times binary cross entropy; ignored pixels contribute 0.

    Args:
        logits, target: ``B 1 H W``; the target is 1, 0, soft values in between, or -1 = ignored.
        weights: ``B 1 H W``; None: 1.
    """
    valid = (target != IGNORE).float()
    known = target.float() * valid
    loss = F.binary_cross_entropy_with_logits(logits.float(), known, reduction="none") * valid
    return (loss if weights is None else loss * weights).mean()


def clicked_bce(logits: Tensor, target: Tensor, click_maps: Tensor) -> Tensor:
    """Binary cross entropy under the clicks, and a hundredth of it elsewhere ("ClickLoss" of
    ClickSEG: CDNet, light baselines).

    Args:
        logits, target: as for ``weighted_bce``.
        click_maps: ``B K H W`` in [0, 1], 1 where a click covers a pixel.

    Returns:
        one number: the weighted mean over the whole batch; ignored pixels contribute 0.
    """
    weights = click_maps.amax(1, keepdim=True) * (1 - ELSEWHERE) + ELSEWHERE
    return weighted_bce(logits, target, weights) / weights.mean()
