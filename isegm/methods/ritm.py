"""RITM: the previous mask as an input, and training on simulated corrections (arXiv 2102.06583).

One pass: previous mask and click disks go through two convolutions, enter an HRNet after its first layer, and the OCR head
classifies every pixel. ``prev_mask=False`` is the paper's non-iterative baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, build, resolve, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.encoders.fusion import Conv1S, ConvExtend, RGBConv
from isegm.nn.encoders.maps import disk_maps, distance_maps
from isegm.nn.heads.ocr import OCRHead
from isegm.nn.init import xavier_gluon_
from isegm.nn.losses.bce import SigmoidBCE
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.weights import KeyMap, Published

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


# --- checkpoints of the original code base ------------------------------------------------------------------------------

_HEAD_KEYS = (
    ("head.aux.", "feature_extractor.aux_head."),
    ("head.reduce.", "feature_extractor.conv3x3_ocr."),
    ("head.attention.", "feature_extractor.ocr_distri_head.object_context_block."),
    ("head.merge.", "feature_extractor.ocr_distri_head.conv_bn_dropout."),
    ("head.classify.", "feature_extractor.cls_head."),
    ("backbone.", "feature_extractor."),
)
_FUSION_KEYS = {
    Conv1S: ("fusion.", "maps_transform."),
    ConvExtend: ("fusion.conv.", "maps_transform."),
    RGBConv: ("fusion.", "rgb_conv."),
}
_OTHER_METHODS = ("refiner.", "feature_extractor.FDM.", "latent_head.", "PDM.", "rgb_conv.2.running_mean")
_UNSUPPORTED = {"binary_prev_mask": False, "clicks_groups": None}


def published(shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any] | None = None) -> Published | None:
    """Recognise a checkpoint of RITM's code base (HRNet with OCR; with or without previous mask) by its keys and shapes.

    Args:
        shapes: every key of the state dict and the shape of its tensor.
        config: the constructor arguments stored beside it. Shapes cannot tell the click maps, so these come from here
            (published models: disks of radius 5); what shapes do tell must agree with it.

    Returns:
        None for anything else, FocalClick, CDNet and f-BRS included, though their files name the same classes.

    Raises:
        IsegmError: the stored configuration contradicts the tensors, or asks for what only RITM's code has.
    """
    config = config or {}
    finest = shapes.get("feature_extractor.stage2.0.branches.0.0.conv1.weight")
    ocr = shapes.get("feature_extractor.ocr_distri_head.object_context_block.f_down.1.0.bias")
    if finest is None or ocr is None or "pipeline_version" in config or any(key.startswith(_OTHER_METHODS) for key in shapes):
        return None
    fusion, channels = _fusion_of(shapes, config)
    if fusion is None:
        return None
    small = not any(key.startswith(("feature_extractor.layer1.3.", "feature_extractor.stage3.3.")) for key in shapes)
    told = {"width": finest[0], "ocr_width": ocr[0], "small": small, "with_prev_mask": channels == 3}
    for name, value in (_UNSUPPORTED | told).items():
        if config.get(name, value) != value:
            where = "this package supports" if name in _UNSUPPORTED else "its tensors say"
            raise IsegmError(f"the checkpoint's configuration says {name}={config[name]!r}, but {where} {value!r}")
    return publish(
        ritm_hrnet(
            width=finest[0],
            depth="small" if small else "full",
            ocr_width=ocr[0],
            fusion=fusion,
            prev_mask=channels == 3,
            click_map="disk" if config.get("use_disks", True) else "distance",
            click_radius=config.get("norm_radius", 5),
            backbone_lr=config.get("backbone_lr_mult", 0.1),
        )
    )


def publish(described: Spec) -> Published | None:
    """How RITM's code base would store the model of a spec; None if it cannot express it."""
    args = described["args"]
    if resolve(described["target"]) is not RITM:
        return None
    backbone, head, fusion = (args[part] for part in ("backbone", "head", "fusion"))
    fusion_class = resolve(fusion["target"])
    depth = backbone["args"].get("depth", "full")
    if resolve(backbone["target"]) is not HRNet or resolve(head["target"]) is not OCRHead or depth not in ("full", "small"):
        return None
    if fusion_class is RGBConv and not fusion["args"].get("norm_first", False):
        return None  # f-BRS' order
    values = {
        "width": backbone["args"].get("width", 18),
        "ocr_width": head["args"]["width"],
        "small": depth == "small",
        "backbone_lr_mult": args.get("backbone_lr", 0.1),
        "with_aux_output": True,
        "with_prev_mask": args.get("prev_mask", True),
        "use_leaky_relu": fusion["args"].get("leaky", True),
        "use_rgb_conv": fusion_class is RGBConv,
        "conv_extend": fusion_class is ConvExtend,
        "use_disks": args.get("click_map", "disk") == "disk",
        "norm_radius": args.get("click_radius", 5),
    }
    params = {name: {"type": "builtin", "value": value, "specified": True} for name, value in values.items()}
    config = {"class": "isegm.model.is_hrnet_model.HRNetModel", "params": params}
    return Published(described, KeyMap((_FUSION_KEYS[fusion_class], *_HEAD_KEYS)), "RITM (published)", config)


def _fusion_of(shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any]) -> tuple[Spec | None, int]:
    """The fusion that a state dict holds, and how many coordinate features it takes."""
    leaky = bool(config.get("use_leaky_relu", True))
    if "rgb_conv.1.running_mean" in shapes and "rgb_conv.0.weight" in shapes:
        channels = shapes["rgb_conv.0.weight"][1] - 3
        return spec(RGBConv, in_channels=channels, norm_first=True, leaky=leaky), channels
    if "maps_transform.0.weight" in shapes:
        channels = shapes["maps_transform.0.weight"][1]
        return spec(Conv1S, in_channels=channels, leaky=leaky), channels
    if "maps_transform.weight" in shapes:
        channels = shapes["maps_transform.weight"][1]
        return spec(ConvExtend, in_channels=channels), channels
    return None, 0
