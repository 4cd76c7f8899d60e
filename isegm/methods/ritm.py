"""RITM: the previous mask as an input, and training on simulated corrections (arXiv 2102.06583).

One pass: previous mask and click disks go through two convolutions, enter an HRNet after its first
layer, and the OCR head classifies every pixel. ``prev_mask=False`` is the paper's non-iterative
baseline. Its other network is DeepLabV3+ on a ResNet.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import unknown
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.backbones.resnet import ResNet
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.distances import Distances
from isegm.nn.clicks.fusion import Conv1S
from isegm.nn.fit import check_fit
from isegm.nn.heads.deeplab import deeplab_head
from isegm.nn.heads.ocr import ocr_head
from isegm.nn.init import xavier_gluon_
from isegm.nn.losses.bce import SigmoidBCE
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.normalise import Normalise

CLICK_MAPS = {"disk": Disks, "distance": Distances}


class RITM(ClickModel):
    """One pass from image, clicks and previous mask to logits.

    Args:
        backbone: ``forward(image, extra) -> features``, with ``out_channels``.
        head: ``forward(features) -> (logits, aux logits or None, context features)``, which is
            ``after(before(features, point), point)`` for each of its ``insertion_points``, with
            ``in_channels`` and ``slow_parts``.
        fusion: how the coordinate features (previous mask, object clicks, background clicks) reach
            the backbone.
        clicks: draws the click maps; default and published: ``Disks(5)``.
        prev_mask: whether the previous mask is an input.
        aux_loss: weight of the head's first guess in the loss.
        backbone_lr: learning rate of the backbone and of the head's ``slow_parts``, relative to the
            rest.

    Raises:
        IsegmError: parts whose channels do not fit each other.
    """

    protocol = "ritm"

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        fusion: nn.Module,
        clicks: nn.Module | None = None,
        prev_mask: bool = True,
        aux_loss: float = 0.4,
        backbone_lr: float = 0.1,
    ):
        super().__init__()
        check_fit(
            ("fusion.in_channels", fusion.in_channels, 2 + prev_mask),
            ("head.in_channels", head.in_channels, backbone.out_channels),
        )
        self.backbone, self.head, self.fusion = backbone, head, fusion
        self.insertion_points = head.insertion_points
        self.clicks, self.normalise = clicks or Disks(), Normalise()
        self.prev_mask = prev_mask
        self.aux_loss, self.backbone_lr = aux_loss, backbone_lr
        self.instance_loss, self.bce = NormalizedFocalLoss(alpha=0.5, gamma=2), SigmoidBCE()
        xavier_gluon_(self)

    def forward(self, round_: Round) -> Prediction:
        """One round; ``aux["first_guess"]`` holds the logits of the head's auxiliary output, ``B 1
        H W``.
        """
        return self.decode(self.encode(round_), round_.image.shape[-2:])

    def encode(self, round_: Round, point: str = "A") -> tuple[Tensor, ...]:
        """Everything before an insertion point: first the features to modify there, ``B C h w``,
        then what else ``decode`` needs.
        """
        return self.features(*self.inputs(round_), point)

    def inputs(self, round_: Round) -> tuple[Tensor, Tensor]:
        """The normalised image, ``B 3 H W``, and the coordinate features, whose last two channels
        are the click maps.
        """
        size = round_.image.shape[-2:]
        coords = self.clicks(round_.clicks, size)  # B 2 H W
        if self.prev_mask:
            coords = torch.cat([round_.prev_prob, coords], 1)
        return self.normalise(round_.image), coords

    def features(self, image: Tensor, coords: Tensor, point: str = "A") -> tuple[Tensor, ...]:
        """From the output of ``inputs`` to that of ``encode``."""
        return self.head.before(self.backbone(*self.fusion(image, coords)), point)

    def decode(
        self, features: tuple[Tensor, ...], size: tuple[int, int], point: str = "A"
    ) -> Prediction:
        """From the output of ``encode`` to logits at ``size`` (rows, columns): the part that
        test-time optimisation repeats.
        """
        logits, aux, _ = self.head.after(features, point)
        # float32 before resizing: in bfloat16 the interpolation would quantise the boundary
        guesses = {} if aux is None else {"first_guess": resize(aux.float(), size)}
        return Prediction(resize(logits.float(), size), guesses)

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        losses = {"instance": self.instance_loss(pred.logits, target).mean()}
        if "first_guess" in pred.aux and self.aux_loss > 0:
            losses["aux"] = self.aux_loss * self.bce(pred.aux["first_guess"], target).mean()
        return losses

    def lr_multiplier(self, name: str) -> float:
        """As in RITM's ``HRNetModel`` and ``DeeplabModel``, parts of the head may have the
        backbone's rate.
        """
        part, _, rest = name.partition(".")
        if part == "fusion":
            return self.fusion.lr_multiplier
        fast = part == "head" and not rest.startswith(self.head.slow_parts)
        return 1.0 if fast else self.backbone_lr


class LossAblation(RITM):
    """RITM with another loss on its answer, as in the published loss ablation; only training
    differs.

    Args:
        loss: ``forward(logits, target) -> B`` losses instead of the normalized focal loss.
            Published: ``SigmoidBCE``, ``FocalLoss(0.5, 2)``, ``NormalizedFocalLoss(0.5, 2)``,
            ``SoftIoU``; the first guess keeps its cross-entropy.
        ritm: the arguments of ``RITM``.
    """

    def __init__(self, loss: nn.Module, **ritm: Any):
        super().__init__(**ritm)
        self.instance_loss = loss


def ritm_hrnet(
    width: int = 18,
    depth: str = "full",
    ocr_width: int = 64,
    fusion: Spec | None = None,
    prev_mask: bool = True,
    click_map: str = "disk",
    click_radius: float = 5,
    **options: Any,
) -> Spec:
    """The spec of RITM on an HRNet with an OCR head; ``options``: more arguments of ``RITM``.

    Published: ``(18, "small", 48)``, ``(18, "full", 64)``, ``(32, "full", 128)``, all with the
    default ``Conv1S`` fusion and clicks. For ``click_map`` and ``click_radius`` see ``click_maps``.
    """
    return spec(
        RITM,
        backbone=spec(HRNet, width=width, depth=depth),
        head=ocr_head(width, ocr_width),
        fusion=fusion or spec(Conv1S, in_channels=2 + prev_mask),
        prev_mask=prev_mask,
        **{"clicks": click_maps(click_map, click_radius), **options},
    )


def ritm_deeplab(
    layers: int = 34,
    width: int = 128,
    dropout: float | None = None,
    fusion: Spec | None = None,
    prev_mask: bool = False,
    resnet_width: int = 64,
    click_map: str = "disk",
    click_radius: float = 5,
    **options: Any,
) -> Spec:
    """The spec of RITM on a ResNet with DeepLabV3+; ``options``: more arguments of ``RITM``.

    Published recipes: ``(34, 128)`` without previous mask. ``dropout`` defaults to the published
    one of the width.
    """
    return spec(
        RITM,
        backbone=spec(ResNet, layers=layers, width=resnet_width),
        head=deeplab_head(layers, width, dropout, resnet_width),
        fusion=fusion or spec(Conv1S, in_channels=2 + prev_mask),
        prev_mask=prev_mask,
        **{"clicks": click_maps(click_map, click_radius), **options},
    )


def click_maps(kind: str = "disk", radius: float = 5) -> Spec:
    """The spec of click maps.

    Args:
        kind: ``"disk"`` or ``"distance"``.
        radius: in pixels of the view. Published: 5 (disks), 260 (distances).

    Raises:
        IsegmError: an unknown kind.
    """
    if kind not in CLICK_MAPS:
        raise unknown("click_map", kind, CLICK_MAPS)
    return spec(CLICK_MAPS[kind], radius=radius)


def with_loss(described: Spec, loss: Spec) -> Spec:
    """The spec of a ``RITM`` with another loss on its answer; see ``LossAblation``."""
    return spec(LossAblation, loss=loss, **described["args"])


def tiny() -> RITM:
    """A RITM that runs in milliseconds on a CPU, for tests and for `synthetic`."""
    return build(ritm_hrnet(width=8, depth="tiny", ocr_width=16))
