"""One differentiable round as a module, so that distributed training wraps exactly what has
gradients.
"""

from __future__ import annotations

from torch import Tensor, nn

from isegm.core.rounds import Round
from isegm.methods.base import ClickModel


class TrainStep(nn.Module):
    """Forward pass and losses of a method."""

    def __init__(self, model: ClickModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, round_: Round, target: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The method's named, weighted losses, and its logits (``B 1 H W``, detached) for the
        metrics.

        Args:
            target: ``B 1 H W`` float, 1 = object, 0 = background, -1 = ignored.
        """
        pred = self.model(round_)
        return self.model.losses(pred, target, round_), pred.logits.detach()
