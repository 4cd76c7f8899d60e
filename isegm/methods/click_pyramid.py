"""ClickPyramid: a small one-pass network on a pretrained mobile encoder.

The starter that comes with the package is one of these. Image, previous mask and click disks enter
an ImageNet classification network (see ``TimmFeatures``), and a light feature pyramid (see
``LightPyramid``) answers. It is not from a paper: input and loss are RITM's (arXiv 2102.06583), the
views are FocalClick's target crops (arXiv 2204.02574).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel
from isegm.nn.backbones.timm import TimmFeatures
from isegm.nn.clicks.disks import Disks
from isegm.nn.fit import check_fit
from isegm.nn.heads.light_pyramid import LightPyramid
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.normalise import Normalise


class ClickPyramid(ClickModel):
    """One pass from image, clicks and previous mask to logits.

    Args:
        backbone: ``forward(image, coords) -> features``, with ``channels``; see ``TimmFeatures``.
        head: ``forward(features, coords) -> (logits, None, features)``, with ``in_channels``.
        clicks: draws the click maps; default: ``Disks(5)``.
        backbone_lr: learning rate of the pretrained weights, relative to the rest.

    Raises:
        IsegmError: the head does not fit the backbone.
    """

    protocol = "starter"

    def __init__(
        self,
        backbone: TimmFeatures,
        head: nn.Module,
        clicks: nn.Module | None = None,
        backbone_lr: float = 0.3,
    ) -> None:
        super().__init__()
        check_fit(("head.in_channels", head.in_channels, backbone.channels))
        self.backbone, self.head = backbone, head
        self.clicks, self.normalise, self.backbone_lr = clicks or Disks(), Normalise(), backbone_lr
        self.focal = NormalizedFocalLoss(alpha=0.5, gamma=2)

    def forward(self, round_: Round) -> Prediction:
        size = round_.image.shape[-2:]
        coords = torch.cat([round_.prev_prob, self.clicks(round_.clicks, size)], 1)  # B 3 H W
        logits, _, _ = self.head(self.backbone(self.normalise(round_.image), coords), coords)
        return Prediction(resize(logits.float(), size))

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        return {"instance": self.focal(pred.logits, target).mean()}

    def lr_multiplier(self, name: str) -> float:
        part, _, rest = name.partition(".")
        return self.backbone_lr if part == "backbone" and not self.backbone.is_new(rest) else 1.0


def click_pyramid(
    network: str = "efficientnet_lite0",
    channels: Sequence[int] = (24, 40, 112, 192),
    widths: Sequence[int] = (48, 64, 64, 64),
    without: Sequence[str] = ("blocks.6",),
    levels: Sequence[int] = (1, 2, 3, 4),
    hidden: int = 6,
    click_radius: float = 5,
    **options: Any,
) -> Spec:
    """The spec of a ``ClickPyramid``; ``options``: more of its arguments.

    Args:
        network, without, levels, hidden: see ``TimmFeatures``. By default EfficientNet-Lite0
            without its last stage.
        channels: of the features at these levels.
        widths: of the pyramid.
    """
    features = {"levels": list(levels), "without": list(without), "hidden": hidden}
    return spec(
        ClickPyramid,
        backbone=spec(TimmFeatures, name=network, **features),
        head=spec(LightPyramid, in_channels=list(channels), widths=list(widths), coords=3),
        **{"clicks": spec(Disks, radius=click_radius), **options},
    )


def tiny() -> ClickPyramid:
    """A ClickPyramid that runs in milliseconds on a CPU, for the contract tests."""
    return build(click_pyramid("lcnet_035", (24, 48, 88), (96, 96, 96), (), (1, 2, 3)))
