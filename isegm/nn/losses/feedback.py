"""The loss of a feedback map that is a probability already."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isegm.nn.losses.focal import NormalizedFocalLoss

EPS = 1e-6


class FeedbackLoss(nn.Module):
    """Normalized focal loss of probabilities.

    Args:
        weight: factor of the loss. Published: 1 (FCFI on ResNet-101), 0.2 (HRNet-18).
        double_sigmoid: the probabilities are taken for logits, so that a second sigmoid presses
            them into 0.5 .. 0.73. All published weights of FCFI were trained so; without it the
            loss means what it says.
    """

    def __init__(self, weight: float = 1.0, double_sigmoid: bool = True):
        super().__init__()
        self.weight, self.double_sigmoid = weight, double_sigmoid
        self.focal = NormalizedFocalLoss(alpha=0.5, gamma=2)

    def forward(self, prob: Tensor, target: Tensor) -> Tensor:
        """``B 1 H W`` in [0, 1] and targets (1, 0, -1 = ignored) to ``B`` losses."""
        prob = prob.float()
        return self.weight * self.focal(
            prob if self.double_sigmoid else torch.logit(prob, EPS), target
        )
