"""Feedback integration: the last answer is corrected around new clicks and fused with the features
(FCFI, CVPR 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import IsegmError

SHARPNESS = 10.0  # of the edges of a soft window, per feature cell
ADAPTIVE = 2.5  # an adaptive window is relative to this many times the size of the object
THRESHOLD = 0.49  # probability above which a pixel of the feedback belongs to the object


@dataclass(frozen=True)
class Corrections:
    """The clicks to correct the feedback with, oldest first.

    Attributes:
        yx: ``B K 2`` in pixels of the view.
        label: ``B K`` float32 in [0, 1], the correct feedback there.
        given: ``B K`` bool, False where there is no such click.
    """

    yx: Tensor
    label: Tensor
    given: Tensor


@dataclass(frozen=True)
class Integrated:
    """The result of a round of feedback.

    Attributes:
        features: ``B C h w``, with the residual.
        corrected: ``B 1 H W`` in [0, 1], the feedback after the focused correction.
        fused: ``B 1 H W`` in [0, 1], after the collaborative fusion.
        window: ``B 1 H W`` in [0, 1], where the click in the last column could correct.
    """

    features: Tensor
    corrected: Tensor
    fused: Tensor
    window: Tensor


class FeedbackIntegration(nn.Module):
    """Focused correction, then collaborative fusion.

    Args:
        channels: of the features. Published: 256 (DeepLabV3+), 270 (HRNet-18).
        coords: coordinate features: 2 click maps, 3 with the previous mask.
        width: channels inside. Published: 32 (ResNet-101), 64 (HRNet-18).
        expansion: height and width of the window around a click, relative to the view. Published:
            0.3.
        updates: rounds of the fusion. Published: 1.
        adaptive: windows are relative to the box of the feedback's object, if it has one.
        half_pixel: enlarge the corrected feedback with half-pixel centres instead of aligned
            corners (published: ResNet).

    Raises:
        IsegmError: a setting out of range.
    """

    def __init__(
        self,
        channels: int,
        coords: int = 3,
        width: int = 64,
        expansion: float = 0.3,
        updates: int = 1,
        adaptive: bool = False,
        half_pixel: bool = False,
    ):
        super().__init__()
        if expansion <= 0:
            raise IsegmError(
                f"feedback.expansion={expansion}: expected a share of the view above 0, e.g. 0.3"
            )
        if updates < 1 or width < 1:
            raise IsegmError(
                f"feedback.updates={updates} and feedback.width={width}: expected at least 1"
            )
        self.channels, self.coords, self.half_pixel = channels, coords, half_pixel
        self.correction = FocusedCorrection(3 + coords + 1 + channels, width, expansion, adaptive)
        self.collaboration = CollaborativeFusion(channels, width, updates)

    def forward(
        self,
        features: Tensor,
        shown: tuple[Tensor, Tensor],
        feedback: Tensor,
        clicks: Corrections,
        gate: Tensor,
        soft: bool,
    ) -> Integrated:
        """Integrate the feedback.

        Args:
            features: ``B C h w``.
            shown: the normalised image, ``B 3 H W``, and the coordinate features, ``B K H W``.
            feedback: ``B 1 H W`` in [0, 1], the last answer.
            gate: ``B``, 0 for samples without feedback, else 1.
            soft: windows with soft edges (training) instead of hard ones.
        """
        size = feedback.shape[-2:]
        corrected, window = self.correction(features, shown, feedback, clicks, soft)
        features, fused = self.collaboration(features, corrected, gate)
        if self.half_pixel:
            corrected = F.interpolate(corrected, size=size, mode="bilinear", align_corners=False)
        return Integrated(
            features, resize(corrected, size), resize(fused, size), F.interpolate(window, size=size)
        )


class FocusedCorrection(nn.Module):
    """Within a window around a click, moves every place towards the click's label as far as it
    resembles the clicked place.
    """

    def __init__(self, channels: int, width: int, expansion: float, adaptive: bool):
        super().__init__()
        self.expansion, self.adaptive = expansion, adaptive
        self.info_encoder = nn.Sequential(
            ConvBlock(channels, width, 3), SeparableBlock(width), SeparableBlock(width)
        )

    def forward(
        self,
        features: Tensor,
        shown: tuple[Tensor, Tensor],
        feedback: Tensor,
        clicks: Corrections,
        soft: bool,
    ) -> tuple[Tensor, Tensor]:
        """The corrected feedback and the window of the last column, ``B 1 h w`` float32 each; see
        ``FeedbackIntegration``.
        """
        size, grid = tuple(feedback.shape[-2:]), tuple(features.shape[-2:])
        image, coords, corrected = (resize(x, grid) for x in (*shown, feedback.float()))
        half = self.half_extents(feedback)
        windows, draw = [torch.zeros_like(corrected)], soft_window if soft else hard_window
        # Newest first; each sees the corrections of those before it.
        for k in reversed(range(clicks.yx.shape[1])):
            box, cell = window_of(clicks.yx[:, k], half, size, grid)
            label, given = (x[:, k, None, None, None] for x in (clicks.label, clicks.given))
            window = draw(box, grid) * given
            similarity = self.similarity(torch.cat([image, coords, corrected, features], 1), cell)
            wanted = similarity * label + (1 - similarity) * corrected
            corrected = (1 - window) * corrected + window * wanted
            windows.append(window)
        return corrected, windows[min(1, len(windows) - 1)]

    def similarity(self, shown: Tensor, cell: Tensor) -> Tensor:
        """``B 1 h w`` in [0, 1]: the similarity of every place to the one in ``cell`` (``B 2``)."""
        code = F.normalize(self.info_encoder(shown).float())  # B m h w
        samples = torch.arange(len(code), device=code.device)
        clicked = code[samples, :, cell[:, 0], cell[:, 1]]  # B m
        return torch.einsum("bmhw,bm->bhw", code, clicked)[:, None]

    def half_extents(self, feedback: Tensor) -> Tensor:
        """``B 2``: half the height and half the width of every sample's windows, in pixels."""
        view = torch.tensor(feedback.shape[-2:], device=feedback.device, dtype=torch.float64)
        size = view.expand(len(feedback), 2)
        if self.adaptive:
            mask = feedback[:, 0] > THRESHOLD  # B H W
            extents = torch.stack([_extent(mask.any(2)), _extent(mask.any(1))], 1)  # B 2
            size = torch.where(extents > 0, ADAPTIVE * extents, size)
        return (self.expansion * size / 2 + 0.5).floor().float()


class CollaborativeFusion(nn.Module):
    """Computes updated feedback from feedback and features, and from that a one-channel residual
    for the features.

    With several updates only the features carry over, as published.
    """

    def __init__(self, channels: int, width: int, updates: int):
        super().__init__()
        self.updates = updates
        self.feature_conv = ConvBlock(channels, width, 1)
        self.fusion_encoder = nn.Sequential(
            ConvBlock(1 + width, width, 3),
            SeparableBlock(width),
            SeparableBlock(width),
            nn.Conv2d(width, 1, 3, padding=1),
        )
        self.residual_predictor = ConvBlock(channels + 1, 1, 1)

    def forward(self, features: Tensor, corrected: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
        """The features, ``B C h w``, and the fused feedback, ``B 1 h w`` float32; ``corrected`` and
        ``gate`` as above.
        """
        gate = gate.to(features.dtype)[:, None, None, None]
        for _ in range(self.updates):
            joined = torch.cat([corrected, self.feature_conv(features)], 1)
            fused = self.fusion_encoder(joined).float().sigmoid()
            features = features + gate * self.residual_predictor(torch.cat([features, fused], 1))
        return features, fused


class ConvBlock(nn.Module):
    """Convolution (with bias), norm and activation."""

    def __init__(self, inputs: int, outputs: int, kernel: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class SeparableBlock(nn.Module):
    """A depthwise 3x3 convolution, directly followed by a pointwise one (both with bias); norm and
    activation.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv3x3 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.conv1x1 = nn.Conv2d(channels, channels, 1)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv1x1(self.conv3x3(x))))


def window_of(
    yx: Tensor, half: Tensor, size: tuple[int, int], grid: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Where a click corrects, and the cell it falls on.

    Args:
        yx: ``B 2`` in pixels of a view of ``size``, truncated. Outside the view, the nearest cell
            is taken.
        half: ``B 2``, see ``FocusedCorrection.half_extents``.
        grid: rows and columns of the features.

    Returns:
        ``B 4`` (top, left, bottom, right; half open, empty for clicks far outside) and ``B 2``,
        int64, in cells.
    """
    yx = yx.float().trunc()  # float32 as in the original: a border may depend on the last bit
    # new_tensor cannot be exported with free sizes
    pixels, cells = (torch.tensor(sides).to(yx) for sides in (size, grid))
    zero = yx.new_zeros(2)
    start = ((yx - half).clamp(zero, pixels) / pixels * cells).floor().clamp(zero, cells)
    stop = ((yx + half).clamp(zero, pixels) / pixels * cells).ceil().clamp(zero, cells)
    cell = (yx / pixels * cells).trunc().clamp(zero, cells - 1)
    return torch.cat([start, stop], 1).long(), cell.long()


def soft_window(box: Tensor, grid: tuple[int, int]) -> Tensor:
    """``B 1 h w``: 0.5 on the first row and column of a box ``B 4``, 1 from two cells further in;
    0.25 on a corner.
    """

    def profile(length: int, start: Tensor, stop: Tensor) -> Tensor:
        cells = torch.arange(length, device=box.device, dtype=torch.float32)
        inside, beyond = (SHARPNESS * (cells - bound[:, None]) for bound in (start, stop))
        return inside.sigmoid() - beyond.sigmoid()

    rows, columns = profile(grid[0], box[:, 0], box[:, 2]), profile(grid[1], box[:, 1], box[:, 3])
    return (rows[:, :, None] * columns[:, None, :])[:, None]


def hard_window(box: Tensor, grid: tuple[int, int]) -> Tensor:
    """``B 1 h w``: 1 inside a box ``B 4``, 0 outside."""

    def profile(length: int, start: Tensor, stop: Tensor) -> Tensor:
        cells = torch.arange(length, device=box.device)
        return (cells >= start[:, None]) & (cells < stop[:, None])

    rows, columns = profile(grid[0], box[:, 0], box[:, 2]), profile(grid[1], box[:, 1], box[:, 3])
    return (rows[:, :, None] & columns[:, None, :])[:, None].float()


def _extent(flags: Tensor) -> Tensor:
    """``B``: the distance from the first to the last true entry of ``B N``; 0 without any."""
    places = torch.arange(flags.shape[1], device=flags.device, dtype=torch.float64)
    first = torch.where(flags, places, flags.shape[1]).amin(1)
    last = torch.where(flags, places, -1).amax(1)
    return (last - first).clamp(min=0)
