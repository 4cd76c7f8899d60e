"""A pyramid of four scales from one map, and its head (SimpleClick's decoder, arXiv 2210.11006)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.nn.conv_module import ConvModule

UPSAMPLE = (1, 2, 4)


class SimplePyramid(nn.Module):
    """The simple feature pyramid of ViTDet (arXiv 2203.16527, section 3): every scale comes from
    the last map.

    Args:
        in_channels: of that map.
        out_channels: of the four scales, finest first: at 4, 2, 1 and 1/2 times its size.
    """

    def __init__(self, in_channels: int, out_channels: Sequence[int]):
        super().__init__()
        if len(out_channels) != 4:
            raise IsegmError(
                f"out_channels of the pyramid is {list(out_channels)}; expected four numbers,"
                " finest first"
            )
        self.in_channels, self.out_channels = in_channels, tuple(out_channels)
        finest, fine, same, coarse = out_channels
        first, second = max(2 * finest, in_channels // 2), max(fine, in_channels // 2)
        halved = max(coarse, 2 * in_channels)
        self.down_4 = nn.Sequential(
            *(doubled(in_channels, first), norm(first), nn.GELU()),
            *(doubled(first, first // 2), norm(first // 2)),
            *projected(first // 2, finest),
        )
        self.down_8 = nn.Sequential(
            doubled(in_channels, second), norm(second), *projected(second, fine)
        )
        self.down_16 = nn.Sequential(*projected(in_channels, same))
        self.down_32 = nn.Sequential(
            nn.Conv2d(in_channels, halved, 2, stride=2), norm(halved), *projected(halved, coarse)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """``B C h w`` to ``B C_i h_i w_i``, finest first; h_i = 4h, 2h, h, h // 2."""
        return [self.down_4(x), self.down_8(x), self.down_16(x), self.down_32(x)]


class PyramidHead(nn.Module):
    """A convolution per map, another on all of them at the finest size, and a classifier.

    Args:
        in_channels: of the four maps, finest first.
        width: channels of the classifier's input. Published: 256 (xtiny: 128).
        upsample: how much larger than the finest map the classifier's input is: 1, 2 or 4. The
            convolutions before it are wider by the same factor. Published: 1.
        dropout: of whole channels before the classifier.
        spare: also build upsampling parts that are not called, since SimpleClick's files hold them.

    Raises:
        IsegmError: another ``upsample``.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        width: int = 256,
        upsample: int = 1,
        dropout: float = 0.1,
        spare: bool = True,
    ):
        super().__init__()
        if upsample not in UPSAMPLE:
            raise IsegmError(f"upsample={upsample!r} of the head: expected 1, 2 or 4")
        self.in_channels, self.upsample = tuple(in_channels), upsample
        hidden = upsample * width
        self.convs = nn.ModuleList(ConvModule(channels, hidden, 1) for channels in in_channels)
        self.fusion_conv = ConvModule(len(in_channels) * hidden, hidden, 1)
        if spare or upsample >= 2:
            self.up_conv1 = enlarged(hidden, hidden // 2).requires_grad_(upsample >= 2)
        if spare or upsample >= 4:
            self.up_conv2 = enlarged(hidden // 2, hidden // 4).requires_grad_(upsample >= 4)
        self.dropout = nn.Dropout2d(dropout)
        self.conv_seg = nn.Conv2d(width, 1, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """``B C_i h_i w_i``, finest first, to logits ``B 1 upsample*h_1 upsample*w_1``."""
        size = features[0].shape[-2:]
        # Unlike elsewhere in these methods, corners are not aligned.
        maps = [
            F.interpolate(conv(x), size=size, mode="bilinear", align_corners=False)
            for conv, x in zip(self.convs, features, strict=True)
        ]
        x = self.fusion_conv(torch.cat(maps, 1))
        if self.upsample >= 2:
            x = self.up_conv1(x)
        if self.upsample >= 4:
            x = self.up_conv2(x)
        return self.conv_seg(self.dropout(x))


def doubled(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, 2, stride=2)


def norm(channels: int) -> nn.GroupNorm:
    """A norm over all channels and pixels of a sample."""
    return nn.GroupNorm(1, channels)


def projected(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 1), norm(outputs), nn.GELU()


def enlarged(inputs: int, outputs: int) -> nn.Sequential:
    """``B C h w`` to ``B C' 2h 2w``."""
    return nn.Sequential(doubled(inputs, outputs), norm(outputs), *projected(outputs, outputs))
