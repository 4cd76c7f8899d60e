"""MFP: making full use of probability maps (arXiv 2404.18448, CVPR 2024).

SimpleClick with one more input. The previous probability map is modulated around the newest click,
see ``isegm.nn.modulation``, and both maps enter the backbone, beside the click disks, as well as
the head, beside the image. From an empty mask the network answers twice: the second pass sees and
modulates the answer of the first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.clicks import Clicks
from isegm.core.errors import unknown
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel
from isegm.nn.backbones.plain_vit import PlainViT
from isegm.nn.clicks.disks import Disks
from isegm.nn.fit import check_fit
from isegm.nn.heads.modulated_pyramid import ModulatedPyramidHead
from isegm.nn.heads.simple_pyramid import SimplePyramid
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.modulation import modulated
from isegm.nn.normalise import Normalise

# Channels, blocks, attention heads, patch and window of the backbone; of the pyramid; of the head.
VARIANTS = {
    "base": ((768, 12, 12, 16, 224), (128, 256, 512, 1024), 256),
    # Not published: for tests and for training on a CPU.
    "tiny": ((96, 8, 4, 8, 64), (32, 64, 96, 128), 32),
}
SIDE = 4  # previous mask, modulated mask, clicks on the object, clicks off it


class MFP(ClickModel):
    """One pass from image, clicks, previous and modulated mask to logits; two from an empty mask.

    Args:
        backbone: ``forward(image, side) -> map``, with ``out_channels``, ``side_channels``, and
            ``frame(size)``, the smallest valid size that is at least that large.
        neck: from the map to maps of several scales, with ``in_channels`` and ``out_channels``.
        head: ``forward(maps, guide) -> logits``, with ``in_channels``.
        clicks: draws the click maps; default and published: ``Disks(5)``.
        early, reach: of the modulation, see ``isegm.nn.modulation.modulated``. Published: 7 clicks,
            100 pixels.

    Raises:
        IsegmError: parts whose channels do not fit each other.
    """

    protocol = "mfp"

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module,
        head: nn.Module,
        clicks: nn.Module | None = None,
        early: int = 7,
        reach: float = 100,
    ):
        super().__init__()
        check_fit(
            ("backbone.side_channels", backbone.side_channels, SIDE),
            ("neck.in_channels", neck.in_channels, backbone.out_channels),
            ("head.in_channels", head.in_channels, neck.out_channels),
        )
        self.backbone, self.neck, self.head = backbone, neck, head
        self.clicks, self.normalise = clicks or Disks(), Normalise()
        self.early, self.reach = early, reach
        self.focal = NormalizedFocalLoss(alpha=0.5, gamma=2)

    def forward(self, round_: Round) -> Prediction:
        """One round. Samples whose previous mask is empty are answered twice.

        # differs from the original: each sample is looked at by itself; there, one sample with a
        mask spares a whole batch the second pass. Views of any size, padded below and on the right
        if necessary.
        """
        prev = round_.prev_prob
        empty = (prev == 0).flatten(1).all(1)  # B
        if empty.any():
            first = _rows(round_, empty)
            answer = self._logits(first, first.prev_prob, first.prev_prob).sigmoid()
            prev = prev.index_put((empty,), answer.to(prev.dtype))
        changed = modulated(prev, round_.clicks, self.early, self.reach)
        return Prediction(self._logits(round_, prev, changed))

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        return {"instance": self.focal(pred.logits, target).mean()}

    def _logits(self, round_: Round, prev: Tensor, changed: Tensor) -> Tensor:
        """``B 1 H W`` logits from the previous mask and its modulated version, ``B 1 H W`` each."""
        height, width = size = tuple(round_.image.shape[-2:])
        frame = self.backbone.frame(size)
        around = (0, frame[1] - width, 0, frame[0] - height)
        side = torch.cat([prev, changed, self.clicks(round_.clicks, size)], 1)
        image = F.pad(self.normalise(round_.image), around)
        features = self.neck(self.backbone(image, F.pad(side, around)))
        guide = torch.cat([image, F.pad(side[:, :2], around)], 1)
        # float32 before resizing: in bfloat16 the interpolation would quantise the boundary
        return resize(self.head(features, guide).float(), frame)[..., :height, :width]


def _rows(round_: Round, chosen: Tensor) -> Round:
    clicks = Clicks(round_.clicks.yx[chosen], round_.clicks.label[chosen])
    image, prev = round_.image[chosen], round_.prev_prob[chosen]
    return replace(round_, image=image, clicks=clicks, prev_prob=prev)


def mfp(variant: str = "base", size: int = 448, click_radius: float = 5, **options: Any) -> Spec:
    """The spec of MFP; ``options``: more arguments of ``MFP``.

    Args:
        variant: ``"base"``, or ``"tiny"``, which is not published.
        size: rows and columns of training crops, in pixels.
    """
    if variant not in VARIANTS:
        raise unknown("MFP", variant, VARIANTS)
    (channels, depth, heads, patch, window), scales, width = VARIANTS[variant]
    body = {"channels": channels, "depth": depth, "heads": heads, "patch": patch}
    return spec(
        MFP,
        backbone=spec(PlainViT, **body, size=size, window=window, side_channels=SIDE),
        neck=spec(SimplePyramid, in_channels=channels, out_channels=scales),
        head=spec(ModulatedPyramidHead, in_channels=scales, width=width),
        **{"clicks": spec(Disks, radius=click_radius), **options},
    )


def tiny() -> MFP:
    """An MFP that runs in milliseconds on a CPU, for tests and for `synthetic`."""
    return build(mfp("tiny", 64))
