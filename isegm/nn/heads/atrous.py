"""Atrous spatial pyramid pooling, and DeepLabV3+ (arXiv 1802.02611) as FCA-Net uses it: full 3x3
convolutions, a wider skip, no dropout.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import IsegmError

SKIP = 48
RATES = (6, 12, 18)


class AtrousHead(nn.Module):
    """Pyramid pooling of the coarse features, merged with the projected fine ones and classified.

    Args:
        in_channels: of the coarse features.
        skip_channels: of the fine ones.
        width: of pyramid and decoder. Published: 256.
    """

    def __init__(self, in_channels: int, skip_channels: int, width: int = 256):
        super().__init__()
        self.in_channels, self.skip_channels = in_channels, skip_channels
        self.aspp = AtrousPyramid(in_channels, width, RATES)
        self.skip = conv_bn_relu(skip_channels, SKIP, 1)
        self.merge = nn.Sequential(*conv_bn_relu(width + SKIP, width), *conv_bn_relu(width, width))
        self.classify = PixelClassifier(width)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """``B in_channels h w`` and ``B skip_channels H W`` to logits ``B 1 H W``.

        Raises:
            IsegmError: a single sample in training mode; batch norm over one pooled vector has no
                variance.
        """
        upsampled = resize(self.aspp(coarse), fine.shape[-2:])
        return self.classify(self.merge(torch.cat([upsampled, self.skip(fine)], 1)))


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling (arXiv 1706.05587): the features at several dilations and
    their global average, projected to ``width`` channels.
    """

    def __init__(self, in_channels: int, width: int, rates: Sequence[int]):
        super().__init__()
        dilated = [conv_bn_relu(in_channels, width, 3, dilation=rate) for rate in rates]
        self.branches = nn.ModuleList([conv_bn_relu(in_channels, width, 1), *dilated])
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_bn_relu(in_channels, width, 1))
        self.project = conv_bn_relu((len(rates) + 2) * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``B C h w`` to ``B width h w``."""
        if self.training and len(x) < 2:
            raise IsegmError(
                "training with this head needs at least 2 samples per process: raise the batch size"
            )
        pooled = self.pool(x).expand(-1, -1, *x.shape[-2:])
        return self.project(torch.cat([*(branch(x) for branch in self.branches), pooled], 1))


class PixelClassifier(nn.Sequential):
    """Two 3x3 convolutions at half the width, then one logit per pixel."""

    def __init__(self, channels: int):
        half = channels // 2
        super().__init__(
            *conv_bn_relu(channels, half), *conv_bn_relu(half, half), nn.Conv2d(half, 1, 1)
        )


def conv_bn_relu(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """A convolution without bias that keeps the size (except for its stride), norm, activation."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
