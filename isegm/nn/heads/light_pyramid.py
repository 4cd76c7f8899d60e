"""A feature pyramid of depthwise separable convolutions: what fits behind a mobile encoder."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import IsegmError


class LightPyramid(nn.Module):
    """Features from coarse to fine, added up and mixed at each level, then two by two logits per pixel of the finest.

    The pyramid of FPN (arXiv 1612.03144) with a depthwise 5x5 and a 1x1 convolution at each level; the logits are brought to twice
    the finest resolution by sub-pixel convolution (arXiv 1609.05158).

    Args:
        in_channels: of the features, finest first.
        widths: channels of the pyramid at the same levels.

    Attributes:
        out_channels: of the features that come with the logits.

    Raises:
        IsegmError: the two lists differ in length.
    """

    def __init__(self, in_channels: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        if len(in_channels) != len(widths) or not widths:
            raise IsegmError(f"a pyramid of {len(widths)} widths cannot take {len(in_channels)} levels of features")
        self.in_channels, self.out_channels = list(in_channels), widths[0]
        self.lateral = nn.ModuleList(nn.Conv2d(c, w, 1, bias=False) for c, w in zip(in_channels, widths, strict=True))
        self.reduce = nn.ModuleList(
            nn.Identity() if coarse == fine else nn.Conv2d(coarse, fine, 1, bias=False)
            for fine, coarse in zip(widths, widths[1:], strict=False)
        )
        self.mix = nn.ModuleList(_mixed(w) for w in widths)
        self.classify = nn.Sequential(nn.Conv2d(widths[0], 4, 1), nn.PixelShuffle(2))

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, None, Tensor]:
        """``B C_i h_i w_i``, finest first, to logits ``B 1 2h_0 2w_0``, no auxiliary logits, and features ``B C h_0 w_0``."""
        x: Tensor | None = None
        for level in reversed(range(len(self.lateral))):
            own = self.lateral[level](features[level])
            if x is not None:
                own = own + resize(self.reduce[level](x), own.shape[-2:])
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
