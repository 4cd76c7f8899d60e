"""The light baselines of ClickSEG: a mobile network with a light head (the code of FocalClick,
arXiv 2204.02574).

One pass at 384 x 384, without a second look: previous mask and click disks go through two
convolutions and are added to early features of a MobileNetV2 or PP-LCNet with output stride 8, and
Lite R-ASPP classifies pixels at a quarter of the size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import unknown
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel, Mode
from isegm.nn.backbones.mobilenet import MobileNetV2
from isegm.nn.backbones.pplcnet import PPLCNet, scaled
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.fusion import SideConvs
from isegm.nn.fit import check_fit
from isegm.nn.heads.lite import LiteHead
from isegm.nn.init import xavier_gluon_
from isegm.nn.losses.click import clicked_bce
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.normalise import Normalise


class ClickSEGBaseline(ClickModel):
    """One pass from image, clicks and previous mask to logits.

    Args:
        backbone: ``forward(image, extra) -> (fine, deep features)``, with ``extra_channels``,
            ``skip_channels``, ``out_channels``.
        head: ``forward(features) -> (logits, aux logits, context features)``, with ``in_channels``
            and ``skip_channels``.
        fusion: how the coordinate features (previous mask, object clicks, background clicks) become
            ``extra_channels``.
        clicks: draws the click maps; default and published: ``Disks(5)``.
        aux_loss: weight of the head's first guess in the loss. Published: 0.4.
        click_loss: weight of the cross entropy under the clicks. Published: 0, and 1 in the
            fine-tuning without corrections.
        backbone_lr: learning rate of backbone and head relative to the fusion. Published: 0.1.

    Raises:
        IsegmError: parts whose channels do not fit each other.
    """

    protocol = "clickseg"

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        fusion: nn.Module,
        clicks: nn.Module | None = None,
        aux_loss: float = 0.4,
        click_loss: float = 0.0,
        backbone_lr: float = 0.1,
    ):
        super().__init__()
        check_fit(
            ("fusion.in_channels", fusion.in_channels, 3),
            ("fusion.out_channels", fusion.out_channels, backbone.extra_channels),
            ("head.in_channels", head.in_channels, backbone.out_channels),
            ("head.skip_channels", head.skip_channels, backbone.skip_channels),
        )
        self.backbone, self.head, self.fusion = backbone, head, fusion
        self.clicks, self.normalise = clicks or Disks(), Normalise()
        self.aux_loss, self.click_loss, self.backbone_lr = aux_loss, click_loss, backbone_lr
        self.focal = NormalizedFocalLoss(alpha=0.5, gamma=2)
        xavier_gluon_(self)

    def forward(self, round_: Round) -> Prediction:
        """One round; ``aux["first_guess"]`` holds the logits from the deep features alone, ``B 1 H
        W``.
        """
        size = round_.image.shape[-2:]
        coords = torch.cat([round_.prev_prob, self.clicks(round_.clicks, size)], 1)  # B 3 H W
        image, extra = self.fusion(self.normalise(round_.image), coords)
        logits, first_guess, _ = self.head(self.backbone(image, extra))
        return Prediction(
            resize(logits.float(), size), {"first_guess": resize(first_guess.float(), size)}
        )

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        """Normalized focal loss of the answer and, unlike in RITM, of the first guess."""
        losses = {"instance": self.focal(pred.logits, target).mean()}
        if self.aux_loss > 0:
            losses["aux"] = self.aux_loss * self.focal(pred.aux["first_guess"], target).mean()
        if self.click_loss > 0:
            disks = self.clicks(round_.clicks, target.shape[-2:])
            losses["clicks"] = self.click_loss * clicked_bce(pred.logits, target, disks)
        return losses

    def lr_multiplier(self, name: str) -> float:
        """As in ``BaselineModel`` of the published code, the head trains at the backbone's rate."""
        return self.fusion.lr_multiplier if name.startswith("fusion.") else self.backbone_lr


def clickseg_baseline(network: str = "pplcnet", click_radius: float = 5, **options: Any) -> Spec:
    """The spec of a published baseline; ``options``: more arguments of ``ClickSEGBaseline``.

    Args:
        network: ``"mobilenetv2"`` or ``"pplcnet"``, both of width 1.
    """
    if network not in NETWORKS:
        raise unknown("network", network, NETWORKS)
    parts = NETWORKS[network]
    fusion = spec(SideConvs, in_channels=3, out_channels=32)
    defaults = {"clicks": spec(Disks, radius=click_radius)}
    return spec(ClickSEGBaseline, **parts, fusion=fusion, **{**defaults, **options})


NETWORKS = {
    "mobilenetv2": {
        "backbone": spec(MobileNetV2),
        "head": spec(LiteHead, in_channels=320, skip_channels=24),
    },
    "pplcnet": {
        "backbone": spec(PPLCNet, width=1.0),
        "head": spec(LiteHead, in_channels=512, skip_channels=64),
    },
}


MODES = (Mode("Baseline", needs=ClickSEGBaseline),)  # one pass; the name in published scripts


def tiny() -> ClickSEGBaseline:
    """A baseline that runs in milliseconds on a CPU, for tests."""
    width = 0.25
    return build(
        spec(
            ClickSEGBaseline,
            backbone=spec(PPLCNet, width=width),
            head=spec(
                LiteHead, in_channels=scaled(512, width), skip_channels=scaled(64, width), width=32
            ),
            fusion=spec(SideConvs, out_channels=scaled(32, width)),
        )
    )
