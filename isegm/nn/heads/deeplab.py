"""DeepLabV3+ (arXiv 1802.02611) as f-BRS and RITM use it: atrous pyramid pooling, a skip
connection, a light decoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, spec

SKIP = 32
RATES = (12, 24, 36)


class DeepLabHead(nn.Module):
    """Pyramid pooling of the coarse features, merged with the projected fine ones, decoded and
    classified.

    Args:
        in_channels: channels of the last stage: 512 for ResNet-34, 2048 for ResNet-50 and deeper.
        skip_channels: channels of the first stage: 64 and 256.
        width: channels of the pyramid, the decoder and (half) the classifier. Published: 128
            ("dh128"), 256 ("dh256").
        dropout: after the pyramid. Published: 0.2 with width 128, 0.5 with width 256.

    Attributes:
        slow_parts: none of its parts trains at the backbone's rate.
        insertion_points: where f-BRS can modify features: A before the pyramid, B before the
            decoder, C before the classifier.
        feedback_point, feedback_channels: where FCFI integrates feedback, behind the pyramid, and
            the channels there.
    """

    slow_parts = ()
    insertion_points = ("A", "B", "C")
    feedback_point = "pyramid"

    def __init__(
        self, in_channels: int, skip_channels: int, width: int = 128, dropout: float = 0.2
    ):
        super().__init__()
        self.in_channels, self.skip_channels, self.out_channels = in_channels, skip_channels, width
        self.feedback_channels = width
        self.aspp = ASPP(in_channels, width, dropout)
        self.skip = _conv_bn_relu(skip_channels, SKIP)
        self.decoder = nn.Sequential(
            SepConv(width + SKIP, width), SepConv(width, width), nn.Conv2d(width, width, 1)
        )
        self.classify = SepConvHead(width)

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor, None, Tensor]:
        """Classify pixels.

        Args:
            features: the stages of a ResNet; the first, ``B C h w``, and the last are used.

        Returns:
            logits ``B 1 h w``, no first guess, and the decoder's features ``B width h w``.

        Raises:
            IsegmError: a single sample in training mode; batch norm over one pooled vector has no
                variance.
        """
        return self.after(self.before(features, "A"), "A")

    def before(self, features: tuple[Tensor, ...], point: str) -> tuple[Tensor, ...]:
        """All that comes before an insertion point: first the tensor that is modified there, then
        what else is needed.
        """
        first, *_, last = features
        parts = (last, self.skip(first))
        if point == "A":
            return parts
        parts = self._pyramid(*parts)
        if point == "pyramid":
            return parts
        merged = torch.cat(parts, 1)
        return (merged,) if point == "B" else (self.decoder(merged),)

    def after(self, parts: tuple[Tensor, ...], point: str) -> tuple[Tensor, None, Tensor]:
        """All that comes after an insertion point; returns what ``forward`` does."""
        if point == "A":
            parts = self._pyramid(*parts)
        x = torch.cat(parts, 1) if point in ("A", "pyramid") else parts[0]
        if point != "C":
            x = self.decoder(x)
        return self.classify(x), None, x

    def _pyramid(self, coarse: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        return resize(self.aspp(coarse), skip.shape[-2:]), skip


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (arXiv 1706.05587): the same features at four dilations, and
    their global average.
    """

    def __init__(self, in_channels: int, width: int, dropout: float):
        super().__init__()
        dilated = [_conv_bn_relu(in_channels, width, rate) for rate in RATES]
        self.branches = nn.ModuleList([_conv_bn_relu(in_channels, width), *dilated])
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_conv_bn_relu(in_channels, width))
        self.project = _conv_bn_relu(5 * width, width).append(nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """``B C h w`` to ``B width h w``."""
        if self.training and len(x) < 2:
            raise IsegmError(
                "training with the DeepLab head needs at least 2 samples per process: raise the"
                " batch size"
            )
        pooled = self.pool(x).expand(-1, -1, *x.shape[-2:])
        return self.project(torch.cat([*(branch(x) for branch in self.branches), pooled], 1))


class SepConv(nn.Module):
    """A depthwise 3x3 and a pointwise convolution with nothing between them, then norm and
    activation.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
            *_conv_bn_relu(inputs, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class SepConvHead(nn.Sequential):
    """Two separable convolutions at half the width, then one logit per pixel.

    Args:
        channels: of the features.
        outputs: maps of logits.
    """

    def __init__(self, channels: int, outputs: int = 1):
        half = channels // 2
        super().__init__(SepConv(channels, half), SepConv(half, half), nn.Conv2d(half, outputs, 1))


def _conv_bn_relu(inputs: int, outputs: int, dilation: int | None = None) -> nn.Sequential:
    """A 1x1 convolution, or with ``dilation`` a 3x3 one."""
    if dilation is None:
        conv = nn.Conv2d(inputs, outputs, 1, bias=False)
    else:
        conv = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def deeplab_head(
    layers: int, width: int, dropout: float | None = None, resnet_width: int = 64
) -> Spec:
    """The spec of the head on a ResNet; without ``dropout`` the published one of this width."""
    skip = resnet_width * (4 if layers >= 50 else 1)
    if dropout is None:
        dropout = 0.5 if width >= 256 else 0.2
    sizes = {"in_channels": 8 * skip, "skip_channels": skip, "width": width}
    return spec(DeepLabHead, **sizes, dropout=dropout)
