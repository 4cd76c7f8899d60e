"""Binary cross entropy."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.samples import IGNORE


class SigmoidBCE(nn.Module):
    """Binary cross entropy from logits. Ignored pixels add nothing, but do count in the mean (RITM's convention)."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """``B C H W`` logits and targets (1, 0, soft values in between, -1 = ignored) to ``B`` losses."""
        return _per_pixel(logits, target).mean((1, 2, 3))


class ClickBCE(nn.Module):
    """Binary cross entropy whose mean hardly counts pixels away from clicks (``ClickLoss`` of ClickSEG's code).

    Args:
        on_clicks, everywhere: a pixel weighs ``everywhere``, on the disk of a click ``on_clicks`` more. Published: 0.99, 0.01.
    """

    def __init__(self, on_clicks: float = 0.99, everywhere: float = 0.01):
        super().__init__()
        self.on_clicks, self.everywhere = on_clicks, everywhere

    def forward(self, logits: Tensor, target: Tensor, disks: Tensor) -> Tensor:
        """To one number: the weighted mean over the whole batch, summed over the channels of the logits.

        Args:
            logits: ``B C H W``.
            target: ``B 1 H W``; 1, 0, soft values in between, or -1 = ignored: adds nothing, but counts in the mean.
            disks: ``B 2 H W`` in [0, 1], object clicks and background clicks.
        """
        weight = self.on_clicks * disks.float().amax(1, keepdim=True) + self.everywhere
        return (_per_pixel(logits, target.expand_as(logits)) * weight).sum() / weight.sum()


def _per_pixel(logits: Tensor, target: Tensor) -> Tensor:
    """``B C H W`` logits and targets to the loss of every pixel, 0 where ignored."""
    valid = target != IGNORE
    return F.binary_cross_entropy_with_logits(logits.float(), target.float() * valid, reduction="none") * valid
