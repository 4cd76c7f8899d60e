"""Binary cross entropy."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.samples import IGNORE


class SigmoidBCE(nn.Module):
    """Binary cross entropy from logits. Ignored pixels contribute 0 to the mean (RITM's
    convention).
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """``B C H W`` logits and targets (1, 0, soft values in between, -1 = ignored) to ``B``
        losses.
        """
        valid = target != IGNORE
        loss = F.binary_cross_entropy_with_logits(
            logits.float(), target.float() * valid, reduction="none"
        )
        return (loss * valid).mean((1, 2, 3))
