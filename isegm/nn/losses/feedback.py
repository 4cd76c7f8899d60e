"""The loss of a feedback map of probabilities."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isegm.nn.losses.focal import NormalizedFocalLoss

EPS = 1e-6


class FeedbackLoss(nn.Module):
    """Normalized focal loss of probabilities.

    Args:
        weight: factor of the loss. Published: 1 (FCFI on ResNet-101), 0.2 (HRNet-18).
        double_sigmoid: treat the probabilities as logits, so that a second sigmoid squeezes them
            into 0.5 .. 0.73, as in the training of all published weights of FCFI. False applies
            the loss to the probabilities themselves.
    """

    def __init__(self, weight: float = 1.0, double_sigmoid: bool = True):
        super().__init__()
        self.weight, self.double_sigmoid = weight, double_sigmoid
        self.focal = NormalizedFocalLoss(alpha=0.5, gamma=2)

    def forward(self, prob: Tensor, target: Tensor) -> Tensor:
        """``B 1 H W`` in [0, 1] and targets (1, 0, -1 = ignored) to ``B`` losses."""
        logits = prob.float() if self.double_sigmoid else torch.logit(prob.float(), EPS)
        return self.weight * self.focal(logits, target)
