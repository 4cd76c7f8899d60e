"""The loss of several answers to the same clicks (CDNet, ICCV 2021, "diversified training")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isegm.nn.losses.click import clicked_bce
from isegm.nn.losses.focal import NormalizedFocalLoss


class DiversityLoss(nn.Module):
    """All answers must be right at the clicks, but only the best one must be right everywhere.

    So they may differ where the clicks are ambiguous (latent diversity, Li et al., CVPR 2018).
    """

    def __init__(self):
        super().__init__()
        self.focal = NormalizedFocalLoss(alpha=0.5, gamma=2)

    def forward(self, logits: Tensor, target: Tensor, disks: Tensor) -> Tensor:
        """One number: the mean over samples of the best answer's focal loss, plus the click losses
        of all answers.

        Args:
            logits: ``B K H W``, K answers.
            target: ``B 1 H W``; 1, 0, soft values in between, or -1 = ignored.
            disks: ``B 2 H W`` in [0, 1], object clicks and background clicks.
        """
        answers = logits.split(1, 1)
        each = torch.stack([self.focal(answer, target) for answer in answers])  # K B
        at_clicks = torch.stack([clicked_bce(answer, target, disks) for answer in answers])
        return each.min(0).values.mean() + at_clicks.sum()
