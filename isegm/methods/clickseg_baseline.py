"""The light baselines of ClickSEG: a mobile network with a light head (the code of FocalClick, arXiv 2204.02574).

One pass at 384 x 384, with no second look: previous mask and click disks go through two convolutions and are added to early
features of a MobileNetV2 or PP-LCNet, both at output stride 8, and Lite R-ASPP classifies pixels at a quarter of the size.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, build, resolve, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel, Mode
from isegm.methods.ritm import MEAN, STD
from isegm.nn.backbones.mobilenet import MobileNetV2
from isegm.nn.backbones.pplcnet import PPLCNet, scaled
from isegm.nn.encoders.fusion import SideConvs
from isegm.nn.encoders.maps import disk_maps, disk_maps_everywhere
from isegm.nn.fit import check_fit
from isegm.nn.heads.lite import LiteHead
from isegm.nn.init import xavier_gluon_
from isegm.nn.losses.click import clicked_bce
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.weights import KeyMap, Published


class ClickSEGBaseline(ClickModel):
    """One pass from image, clicks and previous mask to logits.

    Args:
        backbone: ``forward(image, extra) -> (fine, deep features)``, with ``extra_channels``, ``skip_channels``,
            ``out_channels``.
        head: ``forward(features) -> (logits, aux logits, context features)``, with ``in_channels`` and ``skip_channels``.
        fusion: how the coordinate features (previous mask, object clicks, background clicks) become ``extra_channels``.
        click_radius: of the disks, in pixels of the view. Published: 5.
        aux_loss: weight of the head's first guess in the loss. Published: 0.4.
        click_loss: weight of the cross entropy under the clicks. Published: 0, and 1 in the fine-tuning without corrections.
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
        click_radius: float = 5,
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
        self.click_radius, self.aux_loss, self.click_loss, self.backbone_lr = click_radius, aux_loss, click_loss, backbone_lr
        self.disks, self.focal = disk_maps, NormalizedFocalLoss(alpha=0.5, gamma=2)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        xavier_gluon_(self)

    def forward(self, round_: Round) -> Prediction:
        """One round; ``aux["first_guess"]`` holds the logits from the deep features alone, ``B 1 H W``."""
        size = round_.image.shape[-2:]
        coords = torch.cat([round_.prev_prob, self.disks(round_.clicks, size, self.click_radius)], 1)  # B 3 H W
        image, extra = self.fusion((round_.image - self.mean) / self.std, coords)
        logits, first_guess, _ = self.head(self.backbone(image, extra))
        return Prediction(resize(logits.float(), size), {"first_guess": resize(first_guess.float(), size)})

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        """Normalized focal loss of the answer and, unlike RITM's cross entropy, of the first guess too."""
        losses = {"instance": self.focal(pred.logits, target).mean()}
        if self.aux_loss > 0:
            losses["aux"] = self.aux_loss * self.focal(pred.aux["first_guess"], target).mean()
        if self.click_loss > 0:
            disks = self.disks(round_.clicks, target.shape[-2:], self.click_radius)
            losses["clicks"] = self.click_loss * clicked_bce(pred.logits, target, disks)
        return losses

    def reference(self) -> ClickSEGBaseline:
        copied = copy.deepcopy(self)
        copied.disks = disk_maps_everywhere
        return copied

    def lr_multiplier(self, name: str) -> float:
        """As ``BaselineModel`` of the published code: backbone and head alike train at the backbone's rate."""
        return self.fusion.lr_multiplier if name.startswith("fusion.") else self.backbone_lr


def clickseg_baseline(network: str = "pplcnet", **options: Any) -> Spec:
    """The spec of a published baseline; ``options`` are further arguments of ``ClickSEGBaseline``.

    Args:
        network: ``"mobilenetv2"`` or ``"pplcnet"``, both of width 1.
    """
    if network not in NETWORKS:
        raise unknown("network", network, NETWORKS)
    parts = NETWORKS[network]
    return spec(ClickSEGBaseline, **parts, fusion=spec(SideConvs, in_channels=3, out_channels=32), **options)


NETWORKS = {
    "mobilenetv2": {"backbone": spec(MobileNetV2), "head": spec(LiteHead, in_channels=320, skip_channels=24)},
    "pplcnet": {
        "backbone": spec(PPLCNet, width=1.0, classifier=True),
        "head": spec(LiteHead, in_channels=512, skip_channels=64),
    },
}


MODES = (Mode("Baseline", needs=ClickSEGBaseline),)  # as published scripts call one pass of it


def tiny() -> ClickSEGBaseline:
    """A baseline that runs in milliseconds on a CPU, for tests."""
    width = 0.25
    return build(
        spec(
            ClickSEGBaseline,
            backbone=spec(PPLCNet, width=width),
            head=spec(LiteHead, in_channels=scaled(512, width), skip_channels=scaled(64, width), width=32),
            fusion=spec(SideConvs, out_channels=scaled(32, width)),
        )
    )


# --- checkpoints of the original code base ------------------------------------------------------------------------------

KEYS = KeyMap(
    (
        ("fusion.", "maps_transform."),
        ("backbone.", "feature_extractor.backbone."),
        ("head.pyramid.features.", "feature_extractor.lraspp.b0."),
        ("head.pyramid.share.", "feature_extractor.lraspp.b1."),
        ("head.coarse.", "feature_extractor.fusion_conv1."),
        ("head.fine.", "feature_extractor.fusion_conv2."),
        ("head.aux.", "feature_extractor.aux_head."),
        ("head.classify.", "feature_extractor.head."),
    )
)
_CALLED = {"mobilenetv2": "MobleNetV2", "pplcnet": "PPLCNet"}  # the first is misspelt there
_MARKS = {"mobilenetv2": "block5.0.conv.0.conv.weight", "pplcnet": "blocks6.0.se.conv1.weight"}


def published(shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any] | None = None) -> Published | None:
    """Recognise a light baseline of ClickSEG by its keys.

    Args:
        shapes: every key of the state dict and the shape of its tensor.
        config: the constructor arguments stored beside it, of which only the learning rate is not told by the keys.

    Raises:
        IsegmError: the stored configuration contradicts the tensors, or asks for what only the original code has.
    """
    config = config or {}
    if "feature_extractor.lraspp.b0.0.weight" not in shapes:
        return None
    found = [name for name, mark in _MARKS.items() if f"feature_extractor.backbone.{mark}" in shapes]
    if len(found) != 1:
        return None
    for name, value in (("backbone", _CALLED[found[0]]), ("with_prev_mask", True), ("binary_prev_mask", False)):
        if config.get(name, value) != value:
            raise IsegmError(f"the checkpoint's configuration says {name}={config[name]!r}, but this network has {value!r}")
    return publish(clickseg_baseline(found[0], backbone_lr=config.get("backbone_lr_mult", 0.1)))


def publish(described: Spec) -> Published | None:
    """How ClickSEG would store the model of a spec; None if it cannot express it."""
    args = described["args"]
    if resolve(described["target"]) is not ClickSEGBaseline or args.get("click_radius", 5) != 5:
        return None
    for network in NETWORKS:
        if all(args[part] == value for part, value in clickseg_baseline(network)["args"].items()):
            break
    else:
        return None
    values = {
        "backbone": _CALLED[network],
        "backbone_lr_mult": args.get("backbone_lr", 0.1),
        "with_aux_output": True,
        "with_prev_mask": True,
        "binary_prev_mask": False,
        "use_leaky_relu": True,
        "use_rgb_conv": False,
        "use_disks": True,
    }
    params = {name: {"type": "builtin", "value": value, "specified": True} for name, value in values.items()}
    config = {"class": "isegm.model.is_strong_baseline.BaselineModel", "params": params}
    return Published(described, KEYS, "ClickSEG baseline (published)", config)
