"""Dilated residual networks with output stride 8 (GluonCV's v1b and v1s; arXiv 1512.03385,
1706.05587).

Parameter names follow the original, so ImageNet weights and published checkpoints map by prefix.
"""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.nn.weights import load_backbone, pretrained_tensors

STEM = 64


class ResNet(nn.Module):
    """The trunk: stem, pooling, four stages at strides 4, 8, 8 and 8; stages 3 and 4 are dilated
    instead of strided.

    Args:
        layers: 18 and 34 have basic blocks and a 7x7 stem (v1b); 50, 101 and 152 have bottlenecks
            and a stem of three 3x3 convolutions (v1s); 10 is for tests.
        width: channels of the first stage, before a bottleneck's expansion by 4; the others have 2,
            4 and 8 times as many. Published: 64.

    Attributes:
        skip_channels, out_channels: of the first and the last stage.

    Raises:
        IsegmError: any other number of layers.
    """

    def __init__(self, layers: int = 34, width: int = 64):
        super().__init__()
        if layers not in DEPTHS:
            raise IsegmError(
                f"there is no ResNet with {layers} layers; known: {', '.join(map(str, DEPTHS))}"
            )
        block, depths = DEPTHS[layers]
        deep = block is Bottleneck
        channels = 2 * STEM if deep else STEM
        self.conv1 = (
            _deep_stem() if deep else nn.Conv2d(3, STEM, 7, stride=2, padding=3, bias=False)
        )
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(block, channels, width, depths[0])
        self.layer2 = _stage(block, width * block.expansion, 2 * width, depths[1], stride=2)
        self.layer3 = _stage(block, 2 * width * block.expansion, 4 * width, depths[2], dilation=2)
        self.layer4 = _stage(block, 4 * width * block.expansion, 8 * width, depths[3], dilation=4)
        self.skip_channels, self.out_channels = width * block.expansion, 8 * width * block.expansion

    def forward(
        self, image: Tensor, extra: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Extract features.

        Args:
            image: ``B 3 H W`` normalised RGB, any size.
            extra: ``B 64 ceil(H/2) ceil(W/2)`` to add to the first channels of the stem, before
                pooling, or None.

        Returns:
            The four stages: the first at ``H/4 W/4``, the others at ``H/8 W/8`` (rounded up).
        """
        x = self.relu(self.bn1(self.conv1(image)))
        if extra is not None:
            x = x + F.pad(extra, (0, 0, 0, 0, 0, x.shape[1] - extra.shape[1]))
        c1 = self.layer1(self.maxpool(x))
        c2 = self.layer2(c1)
        c3 = self.layer3(c2)
        return c1, c2, c3, self.layer4(c3)

    def load_pretrained(self, source: str | Path) -> None:
        """Load the trunk of an ImageNet classification network in GluonCV's layout; its classifier
        is ignored.

        Args:
            source: a file, e.g. ``gluon_resnet34_v1b-c6d82d59.pth``, or ``hub:NAME`` with a name of
                timm, which has the same weights as ``resnet34.gluon_in1k``,
                ``resnet50s.gluon_in1k``, ``resnet101s.gluon_in1k``.

        Raises:
            IsegmError: the weights cannot be obtained, or are those of another network.
        """
        load_backbone(self, pretrained_tensors(source), source)


class Basic(nn.Module):
    """Two 3x3 convolutions and a residual connection.

    Args:
        dilation: of the first convolution.
        stage_dilation: of the second; in the first block of a dilated stage it is twice the
            first's.
    """

    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int, dilation: int, stage_dilation: int):
        super().__init__()
        self.conv1 = nn.Conv2d(
            inputs, channels, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(
            channels, channels, 3, padding=stage_dilation, dilation=stage_dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.bn2(self.conv2(y)) + shortcut)


class Bottleneck(nn.Module):
    """1x1, 3x3 (strided or dilated) and 1x1 convolutions, and a residual connection;
    ``stage_dilation`` is unused.
    """

    expansion = 4

    def __init__(self, inputs: int, channels: int, stride: int, dilation: int, stage_dilation: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(
            channels, channels, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, 4 * channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.bn3(self.conv3(y)) + shortcut)


DEPTHS = {  # block, blocks per stage
    10: (Basic, (1, 1, 1, 1)),
    18: (Basic, (2, 2, 2, 2)),
    34: (Basic, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


def _stage(
    block: type[Basic | Bottleneck],
    inputs: int,
    channels: int,
    depth: int,
    stride: int = 1,
    dilation: int = 1,
) -> nn.Sequential:
    """The blocks of a stage. The first block of a dilated stage has half the dilation, as in the
    pretrained networks.
    """
    first = block(inputs, channels, stride, max(1, dilation // 2), dilation)
    rest = [
        block(channels * block.expansion, channels, 1, dilation, dilation) for _ in range(depth - 1)
    ]
    return nn.Sequential(first, *rest)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def _deep_stem() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, STEM, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(STEM),
        nn.ReLU(inplace=True),
        nn.Conv2d(STEM, STEM, 3, padding=1, bias=False),
        nn.BatchNorm2d(STEM),
        nn.ReLU(inplace=True),
        nn.Conv2d(STEM, 2 * STEM, 3, padding=1, bias=False),
    )
