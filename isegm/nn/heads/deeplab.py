"""DeepLabV3+ (arXiv 1802.02611) as f-BRS and RITM use it: atrous pyramid pooling, a skip
connection, a light decoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.registry import Spec, spec
from isegm.nn.heads.atrous import AtrousPyramid, conv_bn_relu

SKIP = 32
RATES = (12, 24, 36)


class DeepLabHead(nn.Module):
    """Pyramid pooling of the coarse features, merged with the projected fine ones, decoded and
    classified.

    Args:
        in_channels: channels of the last stage: 512 for ResNet-34, 2048 for ResNet-50 and deeper.
        skip_channels: channels of the first stage: 64 and 256.
        width: channels of the pyramid and the decoder; the classifier has half. Published: 128
            ("dh128"), 256 ("dh256").
        dropout: after the pyramid. Published: 0.2 with width 128, 0.5 with width 256.

    Attributes:
        slow_parts: parts that train at the backbone's rate: none.
        insertion_points: where f-BRS can modify features: A before the pyramid, B before the
            decoder, C before the classifier.
        feedback_point, feedback_channels: where FCFI integrates feedback (after the pyramid), and
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
        self.aspp = AtrousPyramid(in_channels, width, RATES)
        self.aspp.project.append(nn.Dropout(dropout))
        self.skip = conv_bn_relu(skip_channels, SKIP, 1)
        self.decoder = nn.Sequential(
            SepConv(width + SKIP, width), SepConv(width, width), nn.Conv2d(width, width, 1)
        )
        self.classify = SepConvHead(width)

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor, None, Tensor]:
        """Classify pixels.

        Args:
            features: the stages of a ResNet; the first, ``B C h w``, and the last are used.

        Returns:
            logits ``B 1 h w``, None (no first guess), and the decoder's features ``B width h w``.

        Raises:
            IsegmError: a single sample in training mode; batch norm over one pooled vector has no
                variance.
        """
        return self.after(self.before(features, "A"), "A")

    def before(self, features: tuple[Tensor, ...], point: str) -> tuple[Tensor, ...]:
        """Everything before an insertion point: first the tensor to modify there, then what else
        ``after`` needs.
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
        """Everything after an insertion point; returns what ``forward`` does."""
        if point == "A":
            parts = self._pyramid(*parts)
        x = torch.cat(parts, 1) if point in ("A", "pyramid") else parts[0]
        if point != "C":
            x = self.decoder(x)
        return self.classify(x), None, x

    def _pyramid(self, coarse: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        return resize(self.aspp(coarse), skip.shape[-2:]), skip


class SepConv(nn.Module):
    """A depthwise 3x3 convolution, directly followed by a pointwise one; then norm and
    activation.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False),
            *conv_bn_relu(inputs, outputs, 1),
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


def deeplab_head(
    layers: int, width: int, dropout: float | None = None, resnet_width: int = 64
) -> Spec:
    """The spec of the head on a ResNet; ``dropout`` defaults to the published one of the width."""
    skip = resnet_width * (4 if layers >= 50 else 1)
    if dropout is None:
        dropout = 0.5 if width >= 256 else 0.2
    sizes = {"in_channels": 8 * skip, "skip_channels": skip, "width": width}
    return spec(DeepLabHead, **sizes, dropout=dropout)
