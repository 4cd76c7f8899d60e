"""Losses on the overlap of regions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isegm.core.samples import IGNORE


class SoftIoU(nn.Module):
    """One minus the soft IoU: sum(p * t) / sum(max(p, t)) over the valid pixels of a sample (RITM's
    loss ablation).
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """``B C H W`` logits and targets (1, 0, soft values in between, -1 = ignored) to ``B``
        losses.
        """
        prob, target = logits.float().sigmoid(), target.float()
        valid = target != IGNORE
        intersection = (prob * target * valid).sum((1, 2, 3))
        return 1 - intersection / ((torch.maximum(prob, target) * valid).sum((1, 2, 3)) + 1e-8)
