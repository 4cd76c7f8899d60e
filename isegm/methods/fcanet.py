"""FCA-Net: the first click has its own map and attention branch (Lin et al., CVPR 2020).

The first click of a session lies near the middle of the object and identifies it; later ones
correct details. A DeepLabV3+-like network sees the image and a narrow Gaussian around every click.
A second branch sees its fine features and a wide Gaussian around the first click; its features join
the deep ones before the pyramid. There is no previous mask: an answer depends only on image and
clicks. In the loss, errors near clicks count more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.clicks import NEGATIVE
from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel
from isegm.nn.backbones.multigrid import MultiGridRes2Net, MultiGridResNet
from isegm.nn.clicks.gaussians import Gaussians
from isegm.nn.clicks.nearest import pixel_distances
from isegm.nn.heads.atrous import AtrousHead, PixelClassifier, conv_bn_relu
from isegm.nn.init import kaiming_
from isegm.nn.losses.click import click_weights, weighted_bce

BACKBONES = {"resnet": MultiGridResNet, "res2net": MultiGridRes2Net}
DEPTHS = (3, 4, 23, 3)


class FCANet(ClickModel):
    """One pass from image and clicks to logits.

    Args:
        backbone: ``fine(x)`` and ``coarse(fine)``, with ``skip_channels`` and ``out_channels``;
            ``x`` is image and maps.
        head: ``forward(coarse, fine) -> logits``, with ``in_channels``.
        first_click: the branch of the first click; None for the paper's baseline, which treats all
            clicks alike.
        click_loss: weight errors by their distance to clicks; otherwise all pixels have weight 1.
        clicks, first_clicks: draw the maps of all clicks and of the first one; default and
            published: Gaussians of width 10 and 30.
        head_lr: learning rate of the rest, relative to the backbone.

    Raises:
        IsegmError: parts whose channels do not fit each other.
    """

    protocol = "fcanet"
    prev_mask = False

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        first_click: nn.Module | None,
        click_loss: bool = True,
        clicks: nn.Module | None = None,
        first_clicks: nn.Module | None = None,
        head_lr: float = 10.0,
    ):
        super().__init__()
        made = backbone.out_channels + (first_click.out_channels if first_click is not None else 0)
        if head.in_channels != made:
            raise IsegmError(
                f"head.in_channels is {head.in_channels}, but its input has {made} channels"
            )
        if first_click is not None and first_click.in_channels != backbone.skip_channels:
            raise IsegmError(
                f"first_click.in_channels is {first_click.in_channels}, but the fine features have"
                f" {backbone.skip_channels}"
            )
        self.backbone, self.head, self.first_click = backbone, head, first_click
        self.click_loss, self.head_lr = click_loss, head_lr
        self.clicks, self.first_clicks = clicks or Gaussians(10), first_clicks or Gaussians(30)
        kaiming_(head)

    def forward(self, round_: Round) -> Prediction:
        """One round; ``aux["first_guess"]`` holds the logits of the first click's branch, ``B 1 H
        W``.
        """
        return self._answered(round_, with_first_guess=True)

    def infer(self, round_: Round) -> Prediction:
        """As ``forward``, but without the first guess, which only the loss needs."""
        return self._answered(round_, with_first_guess=False)

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        size, weights, first_weights = target.shape[-2:], None, None
        if self.click_loss:
            positive, negative = pixel_distances(round_.clicks, size).split(1, 1)
            weights = click_weights(positive, negative, target)
            first_weights = click_weights(first_distance(round_, size), None, target)
        losses = {"instance": weighted_bce(pred.logits, target, weights)}
        if "first_guess" in pred.aux:
            losses["first_click"] = weighted_bce(pred.aux["first_guess"], target, first_weights)
        return losses

    def lr_multiplier(self, name: str) -> float:
        """As in the paper, parts without ImageNet weights learn ten times as fast."""
        return 1.0 if name.startswith("backbone.") else self.head_lr

    def _answered(self, round_: Round, with_first_guess: bool) -> Prediction:
        size = round_.image.shape[-2:]
        maps = self.clicks(round_.clicks, size)  # B 2 H W
        # Not normalised: the published weights expect the image in [0, 1].
        fine = self.backbone.fine(torch.cat([round_.image, maps], 1))  # B C H/4 W/4
        coarse = self.backbone.coarse(fine)  # B C H/16 W/16
        aux = {}
        if self.first_click is not None:
            attention = self.first_click(fine, self._first_map(round_, size))
            coarse = torch.cat([attention, coarse], 1)
            if with_first_guess:
                aux["first_guess"] = resize(self.first_click.classify(attention).float(), size)
        return Prediction(resize(self.head(coarse, fine).float(), size), aux)

    def _first_map(self, round_: Round, size: tuple[int, int]) -> Tensor:
        """``B 1 H W``: the map of the first click, whatever its sign, as in the published code."""
        first = round_.clicks.padded(1).first(1)
        plane = (first.label[:, 0] == NEGATIVE).long()  # without clicks, that of object clicks
        rows = torch.arange(len(plane), device=plane.device)
        return self.first_clicks(first, size)[rows, plane][:, None]


class FirstClickBranch(nn.Module):
    """Fine features and the map of the first click to features at a quarter of their size.

    Args:
        in_channels: of the fine features.
        width: of the first three convolutions; the last three have twice as many channels.
            Published: 256.

    Attributes:
        classify: from the output of ``forward`` to logits; used only in training.
    """

    def __init__(self, in_channels: int, width: int = 256):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, 2 * width
        inputs = (in_channels + 1, width, width, width, 2 * width, 2 * width)
        outputs = (width, width, width, 2 * width, 2 * width, 2 * width)
        strides = (2, 1, 1, 2, 1, 1)
        shapes = zip(inputs, outputs, strides, strict=True)
        self.convs = nn.Sequential(*(conv_bn_relu(i, o, stride=s) for i, o, s in shapes))
        self.classify = PixelClassifier(2 * width)
        kaiming_(self)

    def forward(self, fine: Tensor, first_click: Tensor) -> Tensor:
        """``B C h w`` and ``B 1 H W`` to ``B 2*width h/4 w/4`` (rounded up)."""
        return self.convs(torch.cat([fine, resize(first_click, fine.shape[-2:]).to(fine)], 1))


def first_distance(round_: Round, size: tuple[int, int]) -> Tensor:
    """``B 1 H W``: the distance to the first click in pixels, at most 255.

    The first click counts whatever its sign, as in the published code. Without any click the
    distance is 255 everywhere.
    """
    return pixel_distances(round_.clicks.first(1), size).amin(1, keepdim=True)


def fcanet(
    network: str = "resnet",
    first_click: bool = True,
    depths: Sequence[int] = DEPTHS,
    width: int = 64,
    head_width: int = 256,
    click_width: float = 10,
    first_click_width: float = 30,
    **options: Any,
) -> Spec:
    """The spec of FCA-Net; ``options``: more arguments of ``FCANet``.

    Args:
        network: ``"resnet"`` (ResNet-101) or ``"res2net"`` (Res2Net-101 v1b, 26w x 4s).
        first_click: False for the baseline without the first click's branch.
        depths, width: of the backbone.
        head_width: of pyramid, decoder and branch.
        click_width, first_click_width: of the Gaussians, in pixels of the view.
    """
    if network not in BACKBONES:
        raise unknown("network", network, BACKBONES)
    fine, coarse = 4 * width, 32 * width
    branch = spec(FirstClickBranch, in_channels=fine, width=head_width) if first_click else None
    inputs = coarse + 2 * head_width if first_click else coarse
    maps = {
        "clicks": spec(Gaussians, width=click_width),
        "first_clicks": spec(Gaussians, width=first_click_width),
    }
    return spec(
        FCANet,
        backbone=spec(BACKBONES[network], depths=depths, width=width),
        head=spec(AtrousHead, in_channels=inputs, skip_channels=fine, width=head_width),
        first_click=branch,
        **{**maps, **options},
    )


def tiny() -> FCANet:
    """An FCA-Net that runs in milliseconds on a CPU, for tests and for `synthetic`."""
    return build(fcanet(depths=(1, 1, 1, 3), width=8, head_width=16))
