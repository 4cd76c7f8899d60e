"""Normalisation of images as networks pretrained on ImageNet expect it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB in [0, 1]


class Normalise(nn.Module):
    """Subtract a mean and divide by a deviation per channel; weight files do not hold these.

    Args:
        mean, std: by default those of ImageNet.
    """

    def __init__(self, mean: Sequence[float] = MEAN, std: Sequence[float] = STD):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """``B C H W`` in [0, 1] to the same, normalised."""
        return (image - self.mean) / self.std
