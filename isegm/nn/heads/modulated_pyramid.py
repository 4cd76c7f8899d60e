"""SimpleClick's head with a second branch for image and masks at full resolution (MFP, arXiv
2404.18448, section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.nn.conv_module import ConvModule
from isegm.nn.heads.simple_pyramid import enlarged

GUIDES = 5  # the normalised image, the previous mask and the modulated one
STRIDE = 4  # of the branch


class ModulatedPyramidHead(nn.Module):
    """A convolution per map, another on all of them, a fusion with the branch, and a classifier.

    Args:
        in_channels: of the four maps, finest first.
        width: channels of both branches and of the classifier's input. Published: 256.
        dropout: of whole channels before the classifier.
    """

    def __init__(self, in_channels: Sequence[int], width: int = 256, dropout: float = 0.1):
        super().__init__()
        self.in_channels = tuple(in_channels)
        self.convs = nn.ModuleList(ConvModule(channels, width, 1) for channels in in_channels)
        self.fusion_conv = ConvModule(len(in_channels) * width, width, 1)
        # Unused, but in published checkpoints.
        self.up_conv1 = enlarged(width, width // 2).requires_grad_(False)
        self.up_conv2 = enlarged(width // 2, width // 4).requires_grad_(False)
        self.conv_prevMod = nn.Sequential(
            ConvModule(GUIDES, width // 4, 3, stride=2, padding=1),
            ConvModule(width // 4, width, 3, stride=2, padding=1),
            SeparableBlock(width, width),
        )
        self.refine_fusion = nn.Sequential(
            SeparableBlock(2 * width, width), SeparableBlock(width, width)
        )
        self.dropout = nn.Dropout2d(dropout)
        self.conv_seg = nn.Conv2d(width, 1, 1)

    def forward(self, features: Sequence[Tensor], guide: Tensor) -> Tensor:
        """Classify every pixel of the branch.

        Args:
            features: ``B C_i h_i w_i``, finest first.
            guide: ``B 5 H W``, the normalised image, the previous mask and the modulated one.

        Returns:
            logits, ``B 1 H/4 W/4``.
        """
        fine = self.conv_prevMod(guide)
        size = tuple(fine.shape[-2:])
        maps = [
            resize(conv(x), size, aligned=False)
            for conv, x in zip(self.convs, features, strict=True)
        ]
        fused = self.refine_fusion(torch.cat([self.fusion_conv(torch.cat(maps, 1)), fine], 1))
        return self.conv_seg(self.dropout(fused))


class SeparableBlock(nn.Module):
    """Two depthwise 3x3 convolutions with a norm between them, and a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv3x3_1 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv3x3_2 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.conv1x1 = nn.Conv2d(inputs, outputs, 1)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv3x3_2(self.norm1(self.conv3x3_1(x)))
        return self.norm2(self.conv1x1(x)).relu()
