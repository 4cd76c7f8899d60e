"""HRNetV2 (arXiv 1908.07919): four parallel resolutions that repeatedly exchange features.

Parameter names follow the original, so ImageNet weights and published checkpoints map by prefix.
"""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import unknown
from isegm.nn.weights import load_backbone, pretrained_tensors

STEM = 64
DEPTHS = {  # blocks per branch; modules of stage 2, 3, 4
    "full": (4, (1, 4, 3)),
    "small": (2, (1, 3, 2)),  # "small v2" in the original
    "tiny": (1, (1, 1, 1)),  # not published: for tests and for training on a CPU
}


class HRNet(nn.Module):
    """The trunk: stem, four stages, all branches resized to the finest and concatenated.

    Args:
        width: channels of the finest branch; the others have 2, 4 and 8 times as many. Published:
            18, 32, 48.
        depth: ``"full"``, ``"small"`` (with width 18 the published w18-small-v2) or ``"tiny"``.
        activated: every exchange between the branches ends with a ReLU, as in the original; FCFI's
            code omits it.

    Attributes:
        out_channels: 15 * width.
    """

    def __init__(self, width: int = 18, depth: str = "full", activated: bool = True):
        super().__init__()
        if depth not in DEPTHS:
            raise unknown("HRNet depth", depth, DEPTHS)
        blocks, modules = DEPTHS[depth]
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.out_channels = sum(widths)

        self.conv1 = nn.Conv2d(3, STEM, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.conv2 = nn.Conv2d(STEM, STEM, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(
            *[StemBottleneck(STEM if i == 0 else 4 * STEM) for i in range(blocks)]
        )

        # A transition keeps the existing branches and adds one; the gaps (None) keep the original
        # numbering.
        self.transition1 = nn.ModuleList(
            [_conv_bn_relu(4 * STEM, width), nn.Sequential(_down(4 * STEM, 2 * width))]
        )
        self.stage2 = _stage(modules[0], widths[:2], blocks, activated)
        self.transition2 = nn.ModuleList([None, None, nn.Sequential(_down(2 * width, 4 * width))])
        self.stage3 = _stage(modules[1], widths[:3], blocks, activated)
        self.transition3 = nn.ModuleList(
            [None, None, None, nn.Sequential(_down(4 * width, 8 * width))]
        )
        self.stage4 = _stage(modules[2], widths, blocks, activated)

    def forward(self, image: Tensor, extra: Tensor | None = None) -> Tensor:
        """Extract features.

        Args:
            image: ``B 3 H W`` normalised RGB, any size.
            extra: ``B 64 ceil(H/2) ceil(W/2)`` to add after the first convolution and its
                activation, or None.

        Returns:
            ``B 15w H/4 W/4`` (rounded up), finest branch first.
        """
        x = self.relu(self.bn1(self.conv1(image)))
        if extra is not None:
            x = x + extra
        x = self.layer1(self.relu(self.bn2(self.conv2(x))))
        branches = self.stage2([transition(x) for transition in self.transition1])
        branches = self.stage3([*branches, self.transition2[-1](branches[-1])])
        branches = self.stage4([*branches, self.transition3[-1](branches[-1])])
        size = branches[0].shape[-2:]
        return torch.cat([resize(branch, size) for branch in branches], 1)

    def load_pretrained(self, path: str | Path) -> None:
        """Load the trunk of an ImageNet HRNetV2 classification file; its classifier is ignored.

        Raises:
            IsegmError: the file cannot be read, holds no HRNet, or an HRNet of another width.
        """
        tensors = pretrained_tensors(path)
        load_backbone(
            self, {key.replace("model.", "", 1): value for key, value in tensors.items()}, path
        )


class BranchBlock(nn.Module):
    """Two 3x3 convolutions and a residual connection."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + x)


class StemBottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions from ``channels`` via 64 to 256, and a residual connection."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, STEM, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.conv2 = nn.Conv2d(STEM, STEM, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM)
        self.conv3 = nn.Conv2d(STEM, 4 * STEM, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * STEM)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None if channels == 4 * STEM else _conv_bn(channels, 4 * STEM, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.bn3(self.conv3(y)) + shortcut)


class Exchange(nn.Module):
    """Each branch on its own; then each receives the sum of all, at its own resolution.

    Args:
        widths: channels of the branches, each half as fine as the one before.
        blocks: residual blocks per branch.
        activated: a ReLU follows the sums.
    """

    def __init__(self, widths: list[int], blocks: int, activated: bool = True):
        super().__init__()
        self.branches = nn.ModuleList(
            [nn.Sequential(*[BranchBlock(w) for _ in range(blocks)]) for w in widths]
        )
        count = range(len(widths))
        self.fuse_layers = nn.ModuleList(
            [nn.ModuleList([_route(widths, to, source) for source in count]) for to in count]
        )
        self.relu = nn.ReLU(inplace=True) if activated else nn.Identity()

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        branches = [branch(x) for branch, x in zip(self.branches, branches, strict=True)]
        fused = []
        for own, routes in zip(branches, self.fuse_layers, strict=True):
            # Branch 0 first, in order: float sums depend on it.
            arriving = (
                x if route is None else resize(route(x), own.shape[-2:])
                for x, route in zip(branches, routes, strict=True)
            )
            fused.append(self.relu(reduce(torch.add, arriving)))
        return fused


def _stage(modules: int, widths: list[int], blocks: int, activated: bool) -> nn.Sequential:
    return nn.Sequential(*[Exchange(widths, blocks, activated) for _ in range(modules)])


def _route(widths: list[int], to: int, source: int) -> nn.Sequential | None:
    """From branch ``source`` to branch ``to``: strided convolutions down, a 1x1 convolution (before
    a resize) up.
    """
    if source == to:
        return None
    if source > to:
        return _conv_bn(widths[source], widths[to], 1)
    steps = [_down(widths[source], widths[source]) for _ in range(to - source - 1)]
    return nn.Sequential(*steps, _conv_bn(widths[source], widths[to], 3, stride=2))


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def _conv_bn_relu(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return _conv_bn(inputs, outputs, 3, stride).append(nn.ReLU(inplace=True))


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return _conv_bn_relu(inputs, outputs, stride=2)
