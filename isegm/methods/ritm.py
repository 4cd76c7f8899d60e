"""RITM: the previous mask as an input, and training on simulated corrections (arXiv 2102.06583).

One pass: previous mask and click disks go through two convolutions, enter an HRNet after its first layer, and the OCR head
classifies every pixel. ``prev_mask=False`` is the paper's non-iterative baseline.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.encoders.fusion import Conv1S
from isegm.nn.encoders.maps import disk_maps, distance_maps
from isegm.nn.heads.ocr import OCRHead
from isegm.nn.init import xavier_gluon_
from isegm.nn.losses.bce import SigmoidBCE
from isegm.nn.losses.focal import NormalizedFocalLoss

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLICK_MAPS = {"disk": disk_maps, "distance": distance_maps}


class RITM(ClickModel):
    """One pass from image, clicks and previous mask to logits.

    Args:
        backbone: ``forward(image, extra) -> features``, with ``out_channels``.
        head: ``forward(features) -> (logits, aux logits or None, context features)``, with ``in_channels``, ``slow_parts``.
        fusion: how the coordinate features (previous mask, object clicks, background clicks) reach the backbone.
        click_map: ``"disk"`` or ``"distance"``.
        click_radius: in pixels of the view. Published: 5 (disks).
        prev_mask: whether the previous mask is an input.
        aux_loss: weight of the head's first guess in the loss.
        backbone_lr: learning rate of the backbone and of the head's ``slow_parts``, relative to the rest.

    Raises:
        IsegmError: an unknown click map, or parts whose channels do not fit each other.
    """

    protocol = "ritm"

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        fusion: nn.Module,
        click_map: str = "disk",
        click_radius: float = 5,
        prev_mask: bool = True,
        aux_loss: float = 0.4,
        backbone_lr: float = 0.1,
    ):
        super().__init__()
        if click_map not in CLICK_MAPS:
            raise unknown("click_map", click_map, CLICK_MAPS)
        _check_fit("fusion.in_channels", fusion.in_channels, 2 + prev_mask, f"prev_mask={prev_mask} makes")
        _check_fit("head.in_channels", head.in_channels, backbone.out_channels, "the backbone makes")
        self.backbone, self.head, self.fusion = backbone, head, fusion
        self.click_map, self.click_radius, self.prev_mask = click_map, click_radius, prev_mask
        self.aux_loss, self.backbone_lr = aux_loss, backbone_lr
        self.focal, self.bce = NormalizedFocalLoss(alpha=0.5, gamma=2), SigmoidBCE()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        xavier_gluon_(self)

    def forward(self, round_: Round) -> Prediction:
        """One round; ``aux["first_guess"]`` holds the logits of the head's auxiliary output, ``B 1 H W``."""
        return self.decode(self.encode(round_), round_.image.shape[-2:])

    def encode(self, round_: Round) -> Tensor:
        """Image and clicks to features, ``B C h w``."""
        size = round_.image.shape[-2:]
        coords = CLICK_MAPS[self.click_map](round_.clicks, size, self.click_radius)  # B 2 H W
        if self.prev_mask:
            coords = torch.cat([round_.prev_prob, coords], 1)
        return self.backbone(*self.fusion((round_.image - self.mean) / self.std, coords))

    def decode(self, features: Tensor, size: tuple[int, int]) -> Prediction:
        """Features to logits at ``size`` (rows, columns): all that test-time optimisation has to repeat."""
        logits, aux, _ = self.head(features)
        # float32 before resizing: under bfloat16 the interpolation would quantise the boundary
        guesses = {} if aux is None else {"first_guess": resize(aux.float(), size)}
        return Prediction(resize(logits.float(), size), guesses)

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        losses = {"instance": self.focal(pred.logits, target).mean()}
        if "first_guess" in pred.aux and self.aux_loss > 0:
            losses["aux"] = self.aux_loss * self.bce(pred.aux["first_guess"], target).mean()
        return losses

    def lr_multiplier(self, name: str) -> float:
        """As RITM's ``HRNetModel``: the classifiers of the head keep the backbone's rate."""
        part, _, rest = name.partition(".")
        if part == "fusion":
            return self.fusion.lr_multiplier
        return 1.0 if part == "head" and not rest.startswith(self.head.slow_parts) else self.backbone_lr

    def load_pretrained(self, path: str) -> None:
        """Load ImageNet weights into the backbone."""
        self.backbone.load_pretrained(path)


def ritm_hrnet(
    width: int = 18,
    depth: str = "full",
    ocr_width: int = 64,
    fusion: Spec | None = None,
    prev_mask: bool = True,
    **options: Any,
) -> Spec:
    """The spec of RITM on an HRNet with an OCR head; ``options`` are further arguments of ``RITM``.

    Published: ``(18, "small", 48)``, ``(18, "full", 64)``, ``(32, "full", 128)``, all with the default ``Conv1S`` fusion.
    """
    return spec(
        RITM,
        backbone=spec(HRNet, width=width, depth=depth),
        head=spec(OCRHead, in_channels=15 * width, width=ocr_width),
        fusion=fusion or spec(Conv1S, in_channels=2 + prev_mask),
        prev_mask=prev_mask,
        **options,
    )


def tiny() -> RITM:
    """A RITM that runs in milliseconds on a CPU, for tests and for `synthetic`."""
    return build(ritm_hrnet(width=8, depth="tiny", ocr_width=16))


def _check_fit(name: str, given: int, needed: int, reason: str) -> None:
    if given != needed:
        raise IsegmError(f"{name} is {given}, but {reason} {needed} channels; set {name}={needed}")
