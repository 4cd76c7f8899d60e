"""Focal losses on one logit per pixel: ``forward(logits, target) -> B``, in float32 under any
autocast.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isegm.core.samples import IGNORE


class FocalLoss(nn.Module):
    """Binary focal loss, averaged over the valid pixels of each sample (arXiv 1708.02002; RITM's
    ``FocalLoss``).

    Args:
        alpha: weight of the object; the background gets ``1 - alpha``.
        gamma: how fast well-classified pixels lose weight.
    """

    eps = 1e-9

    def __init__(self, alpha: float = 0.5, gamma: float = 2.0):
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """``B C H W`` logits and targets (1, 0, soft values in between, -1 = ignored) to ``B``
        losses.
        """
        return self.of_prob(logits.float().sigmoid(), target)

    def of_prob(self, prob: Tensor, target: Tensor) -> Tensor:
        """``forward`` for probabilities in [0, 1] ("from_sigmoid" of the published code)."""
        prob, target = prob.float(), target.float()
        valid = (target != IGNORE).float()
        total = self._per_pixel(prob, target, valid).sum((1, 2, 3))
        return total / (valid.sum((1, 2, 3)) + self.eps)

    def per_pixel(self, logits: Tensor, target: Tensor) -> Tensor:
        """``B C H W`` float32 logits and targets to the loss of every pixel, 0 where ignored."""
        return self._per_pixel(logits.sigmoid(), target, (target != IGNORE).float())

    def _per_pixel(self, prob: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        alpha = torch.where(target > 0.5, self.alpha, 1 - self.alpha) * valid
        agreement = torch.where(valid.bool(), 1 - (target - prob).abs(), 1.0)
        weight = self.reweighted((1 - agreement) ** self.gamma, valid)
        return -alpha * weight * (agreement + self.eps).clamp(max=1).log()

    def reweighted(self, weight: Tensor, valid: Tensor) -> Tensor:
        return weight


class NormalizedFocalLoss(FocalLoss):
    """Focal loss whose weights sum to the number of valid pixels (f-BRS, arXiv 2001.10331, and
    RITM, 2102.06583, section 3.3).

    No gradient flows through the factor. Published config: alpha 0.5, gamma 2.
    """

    eps = 1e-12

    def reweighted(self, weight: Tensor, valid: Tensor) -> Tensor:
        factor = valid.sum((-2, -1), keepdim=True) / (weight.sum((-2, -1), keepdim=True) + self.eps)
        return weight * factor.detach()
