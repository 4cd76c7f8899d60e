"""MobileNetV2 (arXiv 1801.04381) at output stride 8, as in ClickSEG's light baseline.

Parameter names follow the original, so ImageNet weights and published checkpoints map by prefix.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from isegm.nn.backbones.timm_names import from_timm
from isegm.nn.weights import load_backbone, pretrained_tensors

STEM = 32
GROUPS = (  # of stages: expansion, channels, blocks, stride
    ((1, 16, 1, 1),),
    ((6, 24, 2, 2),),
    ((6, 32, 3, 2),),
    ((6, 64, 4, 2), (6, 96, 3, 1)),
    ((6, 160, 3, 2), (6, 320, 1, 1)),
)
DILATIONS = (1, 1, 1, 2, 4)  # of the groups; the last two are dilated instead of strided
EXPANDED = {
    "conv_pw": "conv.0.conv",
    "bn1": "conv.0.bn",
    "conv_dw": "conv.1.conv",
    "bn2": "conv.1.bn",
}
TIMM_PARTS = EXPANDED | {"conv_pwl": "conv.2", "bn3": "conv.3"}
TIMM_FIRST = {"conv_dw": "conv.0.conv", "bn1": "conv.0.bn", "conv_pw": "conv.1", "bn2": "conv.2"}


class MobileNetV2(nn.Module):
    """The trunk of width 1: a stem and five groups of inverted residuals at strides 2, 4, 8, 8 and
    8.

    Attributes:
        extra_channels: of ``extra``, which ``forward`` adds to the stem.
        skip_channels, out_channels: of the features at strides 4 and 8.
    """

    extra_channels, skip_channels, out_channels = STEM, 24, 320

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvNormReLU6(3, STEM, 3, stride=2)
        inputs = STEM
        for number, (stages, dilation) in enumerate(zip(GROUPS, DILATIONS, strict=True), 1):
            blocks: list[nn.Module] = []
            for expansion, channels, count, stride in stages:
                # As published, only the first block of a stage is dilated, although the others
                # have the same stride.
                kept = stride if dilation == 1 else 1
                blocks.append(InvertedResidual(inputs, channels, kept, expansion, dilation))
                blocks += [
                    InvertedResidual(channels, channels, 1, expansion) for _ in range(count - 1)
                ]
                inputs = channels
            self.add_module(f"block{number}", nn.Sequential(*blocks))

    def forward(self, image: Tensor, extra: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Extract features.

        Args:
            image: ``B 3 H W`` normalised RGB, any size.
            extra: ``B 32 ceil(H/2) ceil(W/2)`` to add after the stem and its activation, or None.

        Returns:
            ``B 24 H/4 W/4`` and ``B 320 H/8 W/8`` (rounded up).
        """
        x = self.conv1(image)
        if extra is not None:
            x = x + extra
        fine = self.block2(self.block1(x))
        return fine, self.block5(self.block4(self.block3(fine)))

    def load_pretrained(self, source: str | Path) -> None:
        """Load the trunk of an ImageNet classification network; its classifier is ignored.

        Args:
            source: a file with the names used here or in timm, or ``hub:NAME`` with a name of timm,
                e.g. mobilenetv2_100.

        Raises:
            IsegmError: the weights cannot be obtained, or are those of another network.
        """
        names = [
            f"block{number}.{i}"
            for number in range(1, 6)
            for i in range(len(self.get_submodule(f"block{number}")))
        ]
        parts = [TIMM_FIRST, *[TIMM_PARTS] * (len(names) - 1)]
        blocks = dict(zip(names, parts, strict=True))
        load_backbone(self, from_timm(pretrained_tensors(source), blocks), source)


class ConvNormReLU6(nn.Module):
    """A convolution (grouped channel by channel if ``depthwise``), batch norm and ReLU6."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        dilation: int = 1,
        depthwise: bool = False,
    ) -> None:
        super().__init__()
        padding, groups = dilation * (kernel // 2), inputs if depthwise else 1
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, padding, dilation, groups, bias=False
        )
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


class InvertedResidual(nn.Module):
    """1x1 to more channels (unless ``expansion`` is 1), depthwise 3x3, 1x1 to fewer without
    activation; a residual where shapes allow it.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int, expansion: int, dilation: int = 1
    ) -> None:
        super().__init__()
        hidden = inputs * expansion
        wider = [] if expansion == 1 else [ConvNormReLU6(inputs, hidden, 1)]
        spatial = ConvNormReLU6(hidden, hidden, 3, stride, dilation, depthwise=True)
        self.conv = nn.Sequential(
            *wider, spatial, nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)
