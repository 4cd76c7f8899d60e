"""Diffusion of click information to similar places: over features, and over pixels (CDNet, ICCV
2021).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.nn.clicks.disks import Disks
from isegm.nn.heads.deeplab import SepConv

SURE = 0.8  # a place with a higher gate is a source, like a click

# In the order of the published kernels.
DIRECTIONS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
DILATIONS = (1, 2, 4, 8)
WINDOW = 9 * len(DILATIONS)  # pixels per deviation; the pixel itself counts once per dilation
SHARPNESS = 0.1  # a neighbor that differs by this share of the deviation is e times less similar
CONFIDENT = 0.25  # answers, scaled to -1 .. 1, that are closer to 0 are not spread
CLICK_STRENGTH = 10.0


class FeatureDiffusion(nn.Module):
    """Features of the clicks and of sure places spread to all places of the same side, separately
    for object and background ("FDM_v3").

    Args:
        channels: of the features. Published: 128.
        clicks: draws the maps that mark a click's features; default and published: ``Disks(24)``.
    """

    def __init__(self, channels: int, clicks: nn.Module | None = None):
        super().__init__()
        self.channels, self.clicks = channels, clicks or Disks(24)
        self.gate = nn.Sequential(SepConv(channels, channels), nn.Conv2d(channels, 1, 1))
        self.query, self.key, self.value = (
            nn.Conv2d(channels, channels, 1, bias=False) for _ in range(3)
        )
        self.object, self.background = (_projection(channels) for _ in range(2))

    def forward(self, features: Tensor, disks: Tensor) -> tuple[Tensor, Tensor]:
        """Spread features.

        Args:
            features: ``B C h w``.
            disks: ``B 2 h w`` in [0, 1], object clicks and background clicks.

        Returns:
            features ``B C h w``, and the gate's object map, ``B 1 h w`` float32 in [0, 1].
        """
        query, key, value = (
            part(features).flatten(2).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        gate = self.gate(features).float().sigmoid()
        # B 2 h w; detached, so that the gate learns only from its own loss
        sides = torch.cat([gate, 1 - gate], 1).detach()
        sources = (disks + (sides > SURE)).flatten(2).to(key.dtype)  # B 2 hw
        sides = sides.to(features.dtype)
        spread = features
        for side, project in enumerate((self.object, self.background)):
            # Weighting a key weights its column of the unscaled affinities before the softmax.
            weighted = key * sources[:, side, :, None]
            flow = _attended(query, weighted, value)  # B hw C
            flow = flow.transpose(1, 2).unflatten(2, features.shape[-2:])
            spread = spread + project(flow * sides[:, side, None])
        return spread, gate


def _attended(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """``B N C`` each; the affinities are not scaled."""
    if torch.compiler.is_compiling():  # the exporter knows attention with heads alone
        query, key, value = (x[:, None] for x in (query, key, value))
        return F.scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0]
    return F.scaled_dot_product_attention(query, key, value, scale=1.0)


class PixelDiffusion(nn.Module):
    """Sure answers and clicks spread to neighboring pixels of similar colour ("PDM"). It has no
    learned weights.

    Args:
        steps: number of steps. Published: 5.

    The buffers are constants in published files; a file with other values is an ``IsegmError``.

    # differs from the original: it handles batches, not just single samples; neighbors are read
    from shifted copies instead of by convolutions with the constants.
    """

    def __init__(self, steps: int = 5):
        super().__init__()
        self.steps = steps
        moved, centre = _shift_kernels(DIRECTIONS), _shift_kernels([(0, 0)])
        self.register_buffer("neighbours", moved)
        self.register_buffer("differences", centre - moved)
        self.register_buffer("window", torch.cat([moved[:4], centre, moved[4:]]))
        self.register_load_state_dict_post_hook(_check_constants)

    def forward(self, image: Tensor, logits: Tensor, disks: Tensor) -> Tensor:
        """Spread answers.

        Args:
            image: ``B 3 H W`` in [0, 1], not normalised.
            logits: ``B 1 H W``.
            disks: ``B 2 H W`` in [0, 1], object clicks and background clicks.

        Returns:
            logits ``B 1 H W`` float32.
        """
        alike = affinities(image.float())
        answer = 2 * logits.float().sigmoid() - 1
        clicked = disks[:, :1] - disks[:, 1:]
        spread = torch.where(answer.abs() > CONFIDENT, answer, 0) + CLICK_STRENGTH * clicked
        for _ in range(int(self.steps)):  # a setting may arrive as 5.0
            gathered = torch.zeros_like(spread)
            for share, moved in zip(alike.split(1, 1), neighbours(spread), strict=True):
                gathered.addcmul_(share, moved)
            spread = gathered
        return spread + answer


def affinities(image: Tensor) -> Tensor:
    """The similarity of every pixel to its 32 neighbors, ``B 3 H W`` to ``B 32 H W``; those of a
    pixel sum to 1.
    """
    total, squares = torch.zeros_like(image), torch.zeros_like(image)
    for moved in neighbours(image):
        difference = moved - image
        total += difference
        squares.addcmul_(difference, difference)
    # The four zeros of the pixel itself keep the two terms from cancelling.
    deviation = ((squares - total.square() / WINDOW) / (WINDOW - 1)).sqrt()
    scale = 1e-8 + SHARPNESS * deviation
    unlike = [((image - moved).abs() / scale).mean(1) for moved in neighbours(image)]
    return (-torch.stack(unlike, 1)).softmax(1)


def neighbours(x: Tensor) -> Iterator[Tensor]:
    """``B C H W`` shifted in eight directions by every dilation, 32 times ``B C H W``; border
    pixels are replicated.
    """
    reach, (height, width) = max(DILATIONS), x.shape[-2:]
    padded = F.pad(x, [reach] * 4, mode="replicate")
    for dilation in DILATIONS:
        for dy, dx in DIRECTIONS:
            top, left = reach + dilation * dy, reach + dilation * dx
            yield padded[..., top : top + height, left : left + width]


def _projection(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))


def _shift_kernels(directions: Sequence[tuple[int, int]]) -> Tensor:
    """``N 1 3 3``: the convolution kernels that read the pixel in each direction."""
    kernels = torch.zeros(len(directions), 1, 3, 3)
    for kernel, (dy, dx) in zip(kernels, directions, strict=True):
        kernel[0, 1 + dy, 1 + dx] = 1
    return kernels


def _check_constants(module: PixelDiffusion, _: object) -> None:
    for name, value in PixelDiffusion().named_buffers():
        if not torch.equal(module.get_buffer(name).cpu(), value):
            raise IsegmError(
                f"the constants {name} of pixel diffusion differ from those of CDNet: the file was"
                " changed, or made for a variant that this package does not have"
            )
