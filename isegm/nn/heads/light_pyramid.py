"""A feature pyramid of depthwise separable convolutions, for mobile encoders."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import IsegmError


class LightPyramid(nn.Module):
    """Adds and mixes features from coarse to fine; each pixel of the finest gives 2 x 2 logits.

    The pyramid of FPN (arXiv 1612.03144) with a depthwise 5x5 and a 1x1 convolution at each level.
    Sub-pixel convolution (arXiv 1609.05158) doubles the resolution of the logits.

    Args:
        in_channels: of the features, finest first.
        widths: channels of the pyramid at the same levels.
        coords: number of coordinate features that the finest level also sees; 0 for none.

    Attributes:
        out_channels: of the features that come with the logits.

    Raises:
        IsegmError: the two lists differ in length.
    """

    def __init__(self, in_channels: Sequence[int], widths: Sequence[int], coords: int = 0) -> None:
        super().__init__()
        if len(in_channels) != len(widths) or not widths:
            raise IsegmError(
                f"a pyramid got {len(widths)} widths for {len(in_channels)} levels of features;"
                " expected one width per level"
            )
        self.in_channels, self.out_channels = list(in_channels), widths[0]
        levels = zip(in_channels, widths, strict=True)
        self.lateral = nn.ModuleList(nn.Conv2d(c, w, 1, bias=False) for c, w in levels)
        self.reduce = nn.ModuleList(
            nn.Identity() if coarse == fine else nn.Conv2d(coarse, fine, 1, bias=False)
            for fine, coarse in itertools.pairwise(widths)
        )
        self.coords = nn.Conv2d(coords, widths[0], 1, bias=False) if coords else None
        self.mix = nn.ModuleList(_mixed(w) for w in widths)
        self.classify = nn.Sequential(nn.Conv2d(widths[0], 4, 1), nn.PixelShuffle(2))

    def forward(
        self, features: Sequence[Tensor], coords: Tensor | None = None
    ) -> tuple[Tensor, None, Tensor]:
        """Classify pixels.

        Args:
            features: ``B C_i h_i w_i``, finest first.
            coords: ``B coords H W``, if the pyramid takes them; averaged to the finest level.

        Returns:
            Logits ``B 1 2h_0 2w_0``, no auxiliary logits, and features ``B C h_0 w_0``.
        """
        x: Tensor | None = None
        for level in reversed(range(len(self.lateral))):
            own = self.lateral[level](features[level])
            if x is not None:
                own = own + resize(self.reduce[level](x), own.shape[-2:])
            if level == 0 and self.coords is not None:
                own = own + self.coords(F.adaptive_avg_pool2d(coords, own.shape[-2:]))
            x = self.mix[level](own)
        return self.classify(x), None, x


def _mixed(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
