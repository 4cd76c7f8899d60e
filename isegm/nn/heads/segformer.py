"""SegFormer's head (arXiv 2105.15203, section 3.2): a linear layer per stage, then all stages at
the finest grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.errors import unknown
from isegm.core.registry import Spec, spec
from isegm.nn.backbones.mix_transformer import VARIANTS
from isegm.nn.conv_module import ConvModule


class SegFormerHead(nn.Module):
    """Four maps in, logits of one class out.

    Args:
        in_channels: of the four maps, finest first.
        width: channels of every map after its linear layer. Published: 256 (B0), 512 (B3, B5).
        dropout: of whole channels before the classifier.

    Attributes:
        out_channels: of the features returned with the logits.
        slow_parts: parts that train at the backbone's rate: none.
    """

    slow_parts: tuple[str, ...] = ()

    def __init__(self, in_channels: Sequence[int], width: int = 256, dropout: float = 0.1):
        super().__init__()
        self.in_channels, self.out_channels = tuple(in_channels), width
        for stage, channels in enumerate(in_channels, 1):
            self.add_module(f"linear_c{stage}", Projection(channels, width))
        self.linear_fuse = ConvModule(len(in_channels) * width, width, 1, norm_cfg={"type": "BN"})
        self.dropout = nn.Dropout2d(dropout)
        self.linear_pred = nn.Conv2d(width, 1, 1)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, None, Tensor]:
        """Classify pixels.

        Args:
            features: ``B C_i h_i w_i``, finest first.

        Returns:
            logits ``B 1 h_1 w_1``, None (no first guess), and the classifier's input ``B width h_1
            w_1``.
        """
        size = features[0].shape[-2:]
        maps = [self.get_submodule(f"linear_c{stage}")(x) for stage, x in enumerate(features, 1)]
        # Unlike elsewhere in these methods, corners are not aligned.
        maps = [
            F.interpolate(x, size=size, mode="bilinear", align_corners=False)
            for x in reversed(maps)
        ]
        fused = self.dropout(self.linear_fuse(torch.cat(maps, 1)))
        return self.linear_pred(fused), None, fused


class Projection(nn.Module):
    """A linear layer on every pixel."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.proj = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def segformer_head(variant: str, width: int | None = None) -> Spec:
    """The spec of the head on a Mix Transformer.

    Args:
        width: by default the published one: 256 on B0, 512 on larger ones.
    """
    if variant not in VARIANTS:
        raise unknown("Mix Transformer", variant, VARIANTS)
    width = width or (256 if variant == "b0" else 512)
    return spec(SegFormerHead, in_channels=VARIANTS[variant][0], width=width)
