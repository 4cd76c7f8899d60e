"""PP-LCNet (arXiv 2109.15099) at output stride 8, as in ClickSEG's light baseline.

Parameter names follow the original, so ImageNet weights and published checkpoints map by prefix.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from isegm.nn.backbones.timm_names import from_timm
from isegm.nn.weights import load_backbone, pretrained_tensors

STEM = 16
# Of blocks: kernel, channels, stride. The last two groups have stride 1 here, 2 in the
# classification network.
GROUPS = {
    "blocks2": ((3, 32, 1),),
    "blocks3": ((3, 64, 2), (3, 64, 1)),
    "blocks4": ((3, 128, 2), (3, 128, 1)),
    "blocks5": ((3, 256, 1), *[(5, 256, 1)] * 5),
    "blocks6": ((5, 512, 1), (5, 512, 1)),
}
SQUEEZED = "blocks6"  # the group with squeeze and excitation
TIMM_PARTS = {
    "conv_dw": "dw_conv.conv",
    "bn1": "dw_conv.bn",
    "conv_pw": "pw_conv.conv",
    "bn2": "pw_conv.bn",
}
TIMM_PARTS |= {"se.conv_reduce": "se.conv1", "se.conv_expand": "se.conv2"}


class PPLCNet(nn.Module):
    """The trunk: a stem and five groups of depthwise separable convolutions at strides 2, 4, 8, 8
    and 8.

    Args:
        width: scale of all channels, rounded to multiples of 8. Published: 1.

    Attributes:
        extra_channels: of ``extra``, which ``forward`` adds to the first group.
        skip_channels, out_channels: of the features at strides 4 and 8.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        inputs = scaled(STEM, width)
        self.conv1 = ConvNormSwish(3, inputs, 3, stride=2)
        for name, group in GROUPS.items():
            blocks = []
            for kernel, channels, stride in group:
                outputs = scaled(channels, width)
                blocks.append(
                    DepthwiseSeparable(inputs, outputs, kernel, stride, squeezed=name == SQUEEZED)
                )
                inputs = outputs
            self.add_module(name, nn.Sequential(*blocks))
        self.extra_channels, self.skip_channels = scaled(32, width), scaled(64, width)
        self.out_channels = inputs

    def forward(self, image: Tensor, extra: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Extract features; the numbers of channels are those of width 1.

        Args:
            image: ``B 3 H W`` normalised RGB, any size.
            extra: ``B 32 ceil(H/2) ceil(W/2)`` to add after the first group, or None.

        Returns:
            ``B 64 H/4 W/4`` and ``B 512 H/8 W/8`` (rounded up).
        """
        x = self.blocks2(self.conv1(image))
        if extra is not None:
            x = x + extra
        fine = self.blocks3(x)
        return fine, self.blocks6(self.blocks5(self.blocks4(fine)))

    def load_pretrained(self, source: str | Path) -> None:
        """Load the trunk of an ImageNet classification network; its classifier is ignored.

        Args:
            source: a file with the names used here or in timm, or ``hub:NAME`` with a name of timm,
                e.g. lcnet_100.

        Raises:
            IsegmError: the weights cannot be obtained, or are those of another network.
        """
        blocks = {
            f"{name}.{i}": TIMM_PARTS for name, group in GROUPS.items() for i in range(len(group))
        }
        load_backbone(self, from_timm(pretrained_tensors(source), blocks), source)


class ConvNormSwish(nn.Module):
    """A convolution (grouped channel by channel if ``depthwise``), batch norm and hard swish."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, depthwise: bool = False
    ) -> None:
        super().__init__()
        groups = inputs if depthwise else 1
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(outputs)
        self.hardswish = nn.Hardswish()

    def forward(self, x: Tensor) -> Tensor:
        return self.hardswish(self.bn(self.conv(x)))


class SqueezeExcite(nn.Module):
    """Scales each channel by a factor computed from the means of all (arXiv 1709.01507)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels // 4, 1)
        self.conv2 = nn.Conv2d(channels // 4, channels, 1)
        self.relu, self.share = nn.ReLU(inplace=True), nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.share(self.conv2(self.relu(self.conv1(x.mean((2, 3), keepdim=True)))))


class DepthwiseSeparable(nn.Module):
    """A depthwise and a pointwise convolution; ``squeezed``: with squeeze and excitation between
    them.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, squeezed: bool) -> None:
        super().__init__()
        self.dw_conv = ConvNormSwish(inputs, inputs, kernel, stride, depthwise=True)
        self.se = SqueezeExcite(inputs) if squeezed else nn.Identity()
        self.pw_conv = ConvNormSwish(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pw_conv(self.se(self.dw_conv(x)))


def scaled(channels: int, width: float) -> int:
    """Channels at a width: the nearest multiple of 8, but at least 8 and 0.9 of the exact value."""
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels * width else rounded + 8
