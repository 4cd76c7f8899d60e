"""ResNet and Res2Net with output stride 16, whose last stage dilates its three blocks by 2, 4 and 8
(FCA-Net's backbones).

Parameter names are those of ImageNet weights: torchvision's ResNet and Res2Net's v1b (arXiv
1904.01169).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.nn.backbones.resnet import Bottleneck
from isegm.nn.init import kaiming_
from isegm.nn.weights import load_backbone, pretrained_tensors

STRIDES = (1, 2, 2, 1)
MULTI_GRID = (2, 4, 8)
SPLITS = 4


class Res2Bottleneck(nn.Module):
    """A bottleneck that splits the channels of its 3x3 convolution into four parts: three small
    convolutions, and a fourth part without one.

    In the first block of a stage the parts are independent; in the others each convolution also
    gets the previous one's output.

    Args:
        channels: the block outputs 4 times as many; each part has 26/64 of them.
        first: whether it is the first block of its stage.
    """

    expansion = 4

    def __init__(
        self, inputs: int, channels: int, stride: int = 1, dilation: int = 1, first: bool = False
    ):
        super().__init__()
        part = channels * 26 // 64
        self.first = first
        self.conv1 = nn.Conv2d(inputs, part * SPLITS, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(part * SPLITS)
        self.convs = nn.ModuleList(
            nn.Conv2d(part, part, 3, stride, padding=dilation, dilation=dilation, bias=False)
            for _ in range(SPLITS - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(part) for _ in range(SPLITS - 1))
        self.pool = nn.AvgPool2d(3, stride, padding=1) if stride > 1 else nn.Identity()
        self.conv3 = nn.Conv2d(part * SPLITS, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if first:
            self.downsample = nn.Sequential(
                nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False),
                nn.Conv2d(inputs, 4 * channels, 1, bias=False),
                nn.BatchNorm2d(4 * channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        *parts, last = self.relu(self.bn1(self.conv1(x))).chunk(SPLITS, 1)
        made: list[Tensor] = []
        for part, conv, norm in zip(parts, self.convs, self.bns, strict=True):
            seen = part if self.first or not made else part + made[-1]
            made.append(self.relu(norm(conv(seen))))
        y = self.bn3(self.conv3(torch.cat([*made, self.pool(last)], 1)))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class MultiGridResNet(nn.Module):
    """The trunk in two parts: ``fine`` up to the first stage at stride 4, ``coarse`` from there to
    the last at stride 16.

    Args:
        depths: blocks per stage, at most 3 in the last. Published: ResNet-101.
        width: channels of the stem, and of the first stage before its expansion by 4. Published:
            64.
        in_channels: of the input; the first three are RGB. Published: 5.

    Attributes:
        skip_channels, out_channels: of the outputs of ``fine`` and ``coarse``.

    Raises:
        IsegmError: not four stages, or too many blocks in the last one.
    """

    def __init__(
        self, depths: Sequence[int] = (3, 4, 23, 3), width: int = 64, in_channels: int = 5
    ):
        super().__init__()
        if len(depths) != len(STRIDES) or not 1 <= depths[-1] <= len(MULTI_GRID) or min(depths) < 1:
            raise IsegmError(
                f"depths={list(depths)}: expected four stages, the last with 1 to {len(MULTI_GRID)}"
                " blocks"
            )
        self.conv1 = self._stem(in_channels, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = width
        for stage, (depth, stride) in enumerate(zip(depths, STRIDES, strict=True)):
            channels = width * 2**stage
            dilations = MULTI_GRID if stage == len(STRIDES) - 1 else (1,) * depth
            blocks = [self._block(inputs, channels, stride, dilations[0], first=True)]
            blocks += [
                self._block(4 * channels, channels, 1, dilation, first=False)
                for dilation in dilations[1:depth]
            ]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            inputs = 4 * channels
        self.skip_channels, self.out_channels = 4 * width, inputs
        kaiming_(self)

    def fine(self, x: Tensor) -> Tensor:
        """``B in_channels H W`` to the first stage, ``B skip_channels H/4 W/4`` (rounded up)."""
        return self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x)))))

    def coarse(self, x: Tensor) -> Tensor:
        """The output of ``fine`` to the last stage, ``B out_channels H/16 W/16`` (rounded up)."""
        return self.layer4(self.layer3(self.layer2(x)))

    def load_pretrained(self, source: str | Path) -> None:
        """Load an ImageNet classification network; the stem's channels beyond RGB keep their random
        values.

        Args:
            source: a file, or ``hub:NAME`` with a name of timm.

        Raises:
            IsegmError: the weights cannot be obtained, or are those of another network.
        """
        tensors = pretrained_tensors(source)
        name, own = next(
            (name, p) for name, p in self.named_parameters() if name.startswith("conv1")
        )
        given = tensors.get(name)
        if given is not None and given.shape[1] == 3:
            tensors[name] = torch.cat([given, own[:, 3:].detach().to(given)], 1)
        load_backbone(self, tensors, source)

    def _stem(self, inputs: int, width: int) -> nn.Module:
        return nn.Conv2d(inputs, width, 7, stride=2, padding=3, bias=False)

    def _block(
        self, inputs: int, channels: int, stride: int, dilation: int, first: bool
    ) -> nn.Module:
        return Bottleneck(inputs, channels, stride, dilation, dilation)


class MultiGridRes2Net(MultiGridResNet):
    """The same trunk with Res2Net blocks (26 channels wide, 4 parts) and a stem of three 3x3
    convolutions.
    """

    def _stem(self, inputs: int, width: int) -> nn.Module:
        half = width // 2
        return nn.Sequential(
            nn.Conv2d(inputs, half, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, width, 3, padding=1, bias=False),
        )

    def _block(
        self, inputs: int, channels: int, stride: int, dilation: int, first: bool
    ) -> nn.Module:
        return Res2Bottleneck(inputs, channels, stride, dilation, first)
