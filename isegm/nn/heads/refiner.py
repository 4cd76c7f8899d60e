"""FocalClick's local refiner (arXiv 2204.02574, section 3.2): a closer look at the boundary within
a crop.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize


class LocalRefiner(nn.Module):
    """Refines the coarse answer of a crop from image, clicks and the coarse network's features.

    It also predicts where the boundary is uncertain, and changes the answer only there.

    Args:
        in_channels: of the features.
        width: channels inside.
    """

    def __init__(self, in_channels: int, width: int = 32):
        super().__init__()
        self.in_channels = in_channels
        self.image_conv1 = ConvNormReLU(6, width, 3, stride=2)
        self.image_conv2 = SeparableConv(width)
        self.image_conv3 = SeparableConv(width)
        self.refine_fusion = ConvNormReLU(in_channels, width, 1)
        self.refine_fusion2 = SeparableConv(width)
        self.refine_fusion3 = SeparableConv(width)
        self.refine_pred = nn.Conv2d(width, 1, 3, padding=1)
        self.refine_trimap = nn.Conv2d(width, 1, 3, padding=1)

    def forward(
        self, image: Tensor, clicks: Tensor, coarse: Tensor, features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Refine the coarse answer.

        Args:
            image: ``B 3 H W`` in [0, 1], not normalised.
            clicks: ``B 2 H W`` click maps.
            coarse: ``B 1 H W`` logits.
            features: ``B C h w`` of the same crop, at any size.

        Returns:
            logits, and the logits of the band around the boundary, ``B 1 H W`` float32 each.
        """
        size = image.shape[-2:]
        x = self.image_conv1(torch.cat([image, clicks, coarse.sigmoid()], 1))
        x = self.image_conv3(self.image_conv2(x))
        x = x + resize(self.refine_fusion(features), x.shape[-2:])
        x = self.refine_fusion3(self.refine_fusion2(x))
        detail = resize(self.refine_pred(x).float(), size)
        band = resize(self.refine_trimap(x).float(), size)
        share = band.sigmoid()
        return detail * share + coarse * (1 - share), band


class ConvNormReLU(nn.Module):
    """A convolution, batch norm and an activation."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).relu()


class SeparableConv(nn.Module):
    """A depthwise 3x3 convolution, a 1x1 convolution, batch norm and an activation."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv3x3 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.conv1x1 = nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv1x1(self.conv3x3(x))).relu()
