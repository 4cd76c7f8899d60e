"""How click maps enter a backbone made for RGB images.

Every fusion takes the normalised image and the coordinate features and returns the two inputs of
the backbone: an image of three channels, and what enters beside it. That is 64 channels at half
resolution to add after the first convolution (``SideConvs``: as many as a mobile network takes),
the coordinate features for a backbone with its own input for them, or None.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEM_CHANNELS = 64


class Scale(nn.Module):
    """Multiply by the magnitude of one learned number, so that clicks start with little
    influence.
    """

    def __init__(self, init: float = 0.05):
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), init))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.abs()


class Conv1S(nn.Sequential):
    """Two convolutions on the coordinate features alone, added after the first convolution of the
    backbone.

    The fusion of every published RITM model ("maps_transform"; arXiv 2102.06583, section 3.1).

    Args:
        in_channels: coordinate features: 2 click maps, 3 with the previous mask.
        leaky: LeakyReLU(0.2), as in all published models, instead of ReLU.
        scale: initial strength. Published: 0.05, which protects pretrained weights; without them a
            larger one learns sooner.
    """

    lr_multiplier = 1.0

    def __init__(self, in_channels: int = 3, leaky: bool = True, scale: float = 0.05):
        super().__init__(
            nn.Conv2d(in_channels, 16, 1),
            nn.LeakyReLU(0.2) if leaky else nn.ReLU(),
            nn.Conv2d(16, STEM_CHANNELS, 3, stride=2, padding=1),
            Scale(scale),
        )
        self.in_channels = in_channels

    def forward(self, image: Tensor, coords: Tensor) -> tuple[Tensor, Tensor]:
        """``B 3 H W`` and ``B K H W`` to the untouched image and ``B 64 ceil(H/2) ceil(W/2)``."""
        return image, super().forward(coords)


class SideConvs(nn.Sequential):
    """Two 3x3 convolutions on the coordinate features alone, for the mobile networks of ClickSEG's
    light baselines.

    Args:
        in_channels: coordinate features: 2 click maps, 3 with the previous mask.
        out_channels: the backbone's ``extra_channels``.
        scale: initial value of the learned factor. Published: 0.05.
    """

    lr_multiplier = 1.0

    def __init__(self, in_channels: int = 3, out_channels: int = 32, scale: float = 0.05):
        super().__init__(
            nn.Conv2d(in_channels, 16, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(16, out_channels, 3, padding=1),
            Scale(scale),
        )
        self.in_channels, self.out_channels = in_channels, out_channels

    def forward(self, image: Tensor, coords: Tensor) -> tuple[Tensor, Tensor]:
        """``B 3 H W`` and ``B K H W`` to the untouched image and ``B out_channels ceil(H/2)
        ceil(W/2)``.
        """
        return image, super().forward(coords)


class Separate(nn.Module):
    """For backbones with their own input for the coordinate features, which are passed on.

    Args:
        in_channels: coordinate features: 2 click maps, 3 with the previous mask.
    """

    lr_multiplier = 1.0

    def __init__(self, in_channels: int = 3):
        super().__init__()
        self.in_channels = in_channels

    def forward(self, image: Tensor, coords: Tensor) -> tuple[Tensor, Tensor]:
        """``B 3 H W`` and ``B K H W``, both untouched."""
        return image, coords


class ConvExtend(nn.Module):
    """One strided convolution of the coordinate features, which extends the first convolution of
    the backbone by K channels.
    """

    lr_multiplier = 0.1

    def __init__(self, in_channels: int = 3):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, STEM_CHANNELS, 3, stride=2, padding=1)
        self.in_channels = in_channels

    def forward(self, image: Tensor, coords: Tensor) -> tuple[Tensor, Tensor]:
        """``B 3 H W`` and ``B K H W`` to the untouched image and ``B 64 ceil(H/2) ceil(W/2)``."""
        return image, self.conv(coords)


class RGBConv(nn.Sequential):
    """Image and coordinate features mixed into three channels that replace the image.

    f-BRS and RITM order the activation and the normalisation differently under the same parameter
    prefix; f-BRS is the one with published checkpoints (arXiv 2001.10331, section 4).

    Args:
        in_channels: coordinate features: 2 click maps, 3 with the previous mask.
        norm_first: RITM's order (convolution, norm, activation) instead of f-BRS' (convolution,
            activation, norm).
        leaky: LeakyReLU(0.2) instead of ReLU.
    """

    lr_multiplier = 1.0

    def __init__(self, in_channels: int = 2, norm_first: bool = False, leaky: bool = True):
        hidden = 6 + in_channels
        norm, activation = nn.BatchNorm2d(hidden), nn.LeakyReLU(0.2) if leaky else nn.ReLU()
        middle = (norm, activation) if norm_first else (activation, norm)
        super().__init__(nn.Conv2d(3 + in_channels, hidden, 1), *middle, nn.Conv2d(hidden, 3, 1))
        self.in_channels = in_channels

    def forward(self, image: Tensor, coords: Tensor) -> tuple[Tensor, None]:
        """``B 3 H W`` and ``B K H W`` to the replacement image, ``B 3 H W``, and None."""
        return super().forward(torch.cat([image, coords], 1)), None
