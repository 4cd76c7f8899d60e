"""EMC-Click's correction network (CVPR 2023): clicks and a mask to a better mask, without running
the backbone again.

By the similarity of every pixel to the clicked ones it picks the K pixels most like the object and
the K most like the background, the *templates*. Every pixel then attends to these and is correlated
with them.

Parameter names follow the original, so published checkpoints map by prefix.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.clicks import NEGATIVE, POSITIVE, Clicks
from isegm.core.errors import IsegmError
from isegm.nn.clicks.nearest import FAR, squared_distances
from isegm.nn.heads.refiner import ConvNormReLU

STRIDE = 4  # of the grid it works on
HEADS = 4


class CorrectionNet(nn.Module):
    """Image, clicks, mask and features of a base network to logits on a grid four times coarser
    than the image.

    Args:
        in_channels: of the base's features.
        width: channels inside, and the number K of templates of each kind. Published: 64
            (HRNet-18s, SegFormer-B0), 96.

    Raises:
        IsegmError: a width that is not a multiple of the number of heads.
    """

    def __init__(self, in_channels: int, width: int = 96):
        super().__init__()
        if width < HEADS or width % HEADS:
            raise IsegmError(
                f"refiner.width={width}: expected a multiple of {HEADS}, the heads of its"
                " attention; e.g. 64"
            )
        self.in_channels, self.width = in_channels, width
        self.feature_convq = nn.Conv2d(width, width, 1)
        self.feature_convk = nn.Conv2d(width, width, 1)
        self.corr_conv = DoubleSeparableConv(width, width)
        self.corr_fusion = DoubleSeparableConv(2 * width, width)
        pixels = 6 * STRIDE**2  # blocks of 4 x 4 of image, object and background clicks, and mask
        self.image_conv1 = nn.Sequential(
            nn.PixelUnshuffle(STRIDE), DoubleSeparableConv(pixels, width)
        )
        self.image_conv2 = DoubleSeparableConv(width, width)
        self.refine_fusion = ConvNormReLU(in_channels, width, 1)
        self.cross_attention = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.fusion1 = nn.Sequential(
            DoubleSeparableConv(2 * width, width), DoubleSeparableConv(width, width)
        )
        self.all_fusion = DoubleSeparableConv(2 * width, width)
        self.refine_fusion1 = DoubleSeparableConv(width, width)
        self.refine_fusion2 = DoubleSeparableConv(width, width)
        self.refine_pred = nn.Conv2d(width, 1, 3, padding=1)

    @property
    def smallest(self) -> int:
        """The smallest side of a view, in pixels, whose grid has K cells."""
        return STRIDE * math.ceil(math.sqrt(self.width))

    def context(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """The part of the base's features to keep between clicks, ``B width H/4 W/4``.

        Args:
            features: ``B C h w``.
            size: H and W of the image, multiples of 4.
        """
        return resize(self.refine_fusion(features), (size[0] // STRIDE, size[1] // STRIDE))

    def forward(
        self, image: Tensor, disks: Tensor, mask: Tensor, clicks: Clicks, context: Tensor
    ) -> Tensor:
        """Correct a mask.

        Args:
            image: ``B 3 H W`` normalised, H and W multiples of 4.
            disks: ``B 2 H W`` maps of all clicks.
            mask: ``B 1 H W`` in [0, 1], the answer to correct.
            clicks: all clicks, in pixels of the image.
            context: the output of ``context``.

        Returns:
            logits ``B 1 H/4 W/4``, of the whole mask, not of a change.
        """
        shown = self.image_conv2(self.image_conv1(torch.cat([image, disks, mask], 1)))
        pixels = self.fusion1(torch.cat([context, shown], 1))  # B d h w
        chosen = templates(pixels, clicks, tuple(image.shape[-2:]), self.width).flatten(1)  # B 2K
        index = chosen[:, None].expand(-1, self.width, -1)
        exemplars = pixels.flatten(2).gather(2, index)  # B d 2K
        x = torch.cat([self.attended(pixels, exemplars), self.correlated(pixels, exemplars)], 1)
        return self.refine_pred(self.refine_fusion2(self.refine_fusion1(self.all_fusion(x))))

    def attended(self, pixels: Tensor, exemplars: Tensor) -> Tensor:
        """Pixels plus their attention over the templates, ``B d h w``."""
        tokens, keys = pixels.flatten(2).transpose(1, 2), exemplars.transpose(1, 2)
        change, _ = self.cross_attention(tokens, keys, keys, need_weights=False)
        return pixels + change.transpose(1, 2).unflatten(2, pixels.shape[-2:])

    def correlated(self, pixels: Tensor, exemplars: Tensor) -> Tensor:
        """Features from the similarity of every pixel to every template, best template first: ``B d
        h w``.
        """
        query = self.feature_convq(exemplars[..., None])[..., 0]  # B d 2K
        key = self.feature_convk(pixels).flatten(2)  # B d hw
        maps = (query.transpose(1, 2) @ key).unflatten(2, pixels.shape[-2:])  # B 2K h w
        # One after the other: in training each kind is normalised separately.
        return self.corr_fusion(torch.cat([self.corr_conv(kind) for kind in maps.chunk(2, 1)], 1))


class DoubleSeparableConv(nn.Module):
    """Two depthwise 3x3 convolutions and a 1x1 convolution ("xconv2" of the original)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv3x3_1 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv3x3_2 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.conv1x1 = nn.Conv2d(inputs, outputs, 1)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.conv3x3_1(x))
        return self.norm2(self.conv1x1(self.conv3x3_2(x))).relu()


@torch.no_grad()
def templates(pixels: Tensor, clicks: Clicks, size: tuple[int, int], count: int) -> Tensor:
    """The places of the pixels most like the object and most like the background.

    A pixel is like the object if it resembles a pixel clicked as object, resembles none clicked as
    background, and is near a click on the object.

    Args:
        pixels: ``B d h w`` features.
        clicks: in pixels of the image.
        size: rows and columns of the image.
        count: K, the number of each kind, at most h * w.

    Returns:
        ``B 2 K`` int64, cells of the grid in row order; object first, and of each kind the best
        first. The order matters: the network reads it as channels.
    """
    # Full precision, so that the order depends on rounding as little as possible.
    with torch.autocast(pixels.device.type, enabled=False):
        clicks, unit = clicks.padded(1), F.normalize(pixels.float().flatten(2), dim=1)  # B d hw
        cells = clicked_cells(clicks, tuple(pixels.shape[-2:]))
        clicked = unit.gather(2, cells[:, None].expand(-1, unit.shape[1], -1))  # B d N
        alike = clicked.transpose(1, 2) @ unit  # B N hw
        positive, negative = (
            (alike * (clicks.label == sign)[..., None]).amax(1) for sign in (POSITIVE, NEGATIVE)
        )
        near = 1 - relative_distances(clicks, size, tuple(pixels.shape[-2:]))  # B 2 hw
        scores = torch.stack([positive + 1 - negative, negative + 1 - positive], 1) * near
    return scores.topk(count, dim=2).indices


def clicked_cells(clicks: Clicks, grid: tuple[int, int]) -> Tensor:
    """``B N`` int64: the cell of each click, in row order; halves round to even, as published."""
    last = torch.tensor([grid[0] - 1, grid[1] - 1]).to(clicks.yx)  # new_tensor cannot be exported
    row, column = (clicks.yx / STRIDE).round().clamp(min=0).minimum(last).long().unbind(-1)
    return row * grid[1] + column


def relative_distances(clicks: Clicks, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """``B 2 hw``: distance to the nearest click of each sign, over the diagonal of the image.

    As published, the distance without a click of a sign is not infinite but 1 pixel everywhere, so
    that nothing is near or far. It is also 1 more than 1000 pixels away from every click.
    """
    squared = squared_distances(clicks, size)
    squared = squared.masked_fill(squared == FAR, 1.0)
    # In an exported graph the size is free, and hypot takes numbers only.
    free = torch.compiler.is_compiling()
    diagonal = (size[0] ** 2 + size[1] ** 2) ** 0.5 if free else math.hypot(*size)
    return resize(squared.sqrt() / diagonal, grid).flatten(2)
