"""Lite R-ASPP (MobileNetV3's head, arXiv 1905.02244, section 6.4), as in ClickSEG's light
baselines.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.boxes import resize

FUSED = 16  # channels in which coarse and fine features are summed
POOLED = 2


class Quarters(nn.Module):
    """Means over the quarters of a map: ``B C h w`` to ``B C 2 2``. With an odd number of rows or
    columns the middle one counts on both sides.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            return F.adaptive_avg_pool2d(x, POOLED)
        # The same in steps that a graph for free sizes can hold.
        height, width = x.shape[-2:]
        halves = x[..., : (height + 1) // 2, :], x[..., height // 2 :, :]
        cells = [(h[..., : (width + 1) // 2], h[..., width // 2 :]) for h in halves]
        return torch.stack([torch.stack([c.mean((-2, -1)) for c in row], -1) for row in cells], -2)


class LitePyramid(nn.Module):
    """Every channel of the features times a factor that varies slowly over the image.

    # differs from MobileNetV3: the factor comes from means over the quarters of the image, not over
    windows of 49 pixels.
    """

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.share = nn.Sequential(
            Quarters(), nn.Conv2d(inputs, width, 1, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x) * resize(self.share(x), x.shape[-2:])


class LiteHead(nn.Module):
    """Fine and deep features in, logits of one class out.

    Args:
        in_channels: of the deep features.
        skip_channels: of the fine features.
        width: channels of the deep features in the pyramid. Published: 128.
    """

    def __init__(self, in_channels: int, skip_channels: int, width: int = 128):
        super().__init__()
        self.in_channels, self.skip_channels, self.out_channels = in_channels, skip_channels, FUSED
        self.pyramid = LitePyramid(in_channels, width)
        self.coarse = nn.Conv2d(width, FUSED, 1)
        self.fine = nn.Conv2d(skip_channels, FUSED, 1)
        self.aux = nn.Conv2d(FUSED, 1, 1)
        self.classify = nn.Conv2d(FUSED, 1, 1)

    def forward(self, features: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Classify pixels.

        Args:
            features: fine and deep, ``B skip_channels h w`` and ``B in_channels h' w'``.

        Returns:
            logits and first guess (from the deep features alone), ``B 1 h w``, and the classifier's
            input ``B 16 h w``.
        """
        fine, deep = features
        coarse = self.coarse(resize(self.pyramid(deep), fine.shape[-2:]))
        fused = self.fine(fine) + coarse
        return self.classify(fused), self.aux(coarse), fused
