"""CDNet: clicks are spread to what is like them, first among features, then among pixels (Chen et al., ICCV 2021).

DeepLabV3+ on a ResNet, with click disks but no previous mask. Behind its pyramid, features of the clicks flow to similar places
(feature diffusion). At test time its answer and the clicks then flow to pixels of like colour (pixel diffusion). In training,
four more answers to the same clicks may differ in what these leave open. The version is that of ClickSEG's code.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.clicks import Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build, resolve, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import Adjustable, ClickModel, Mode
from isegm.methods.ritm import MEAN, STD
from isegm.nn.backbones.resnet import ResNet
from isegm.nn.diffusion import FeatureDiffusion, PixelDiffusion
from isegm.nn.encoders.fusion import Conv1S
from isegm.nn.encoders.maps import disk_maps, disk_maps_everywhere
from isegm.nn.fit import check_fit
from isegm.nn.heads.deeplab import SepConvHead
from isegm.nn.init import xavier_gluon_
from isegm.nn.layouts import deeplab_head, layout_of, recognise
from isegm.nn.losses.diversity import DiversityLoss
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.weights import KeyMap, Published

GATE_LOSS = 0.4
STEPS = Adjustable("diffusion", "Pixel diffusion", "pixel_diffusion.steps", 1, 20, 1, "Steps that clicks are spread by")


class CDNet(ClickModel):
    """One pass from image and clicks to logits, which pixel diffusion corrects at test time.

    Args:
        backbone: ``forward(image, extra) -> stages``, a ResNet.
        head: a ``DeepLabHead``.
        fusion: how the click disks reach the backbone.
        feature_diffusion: see ``FeatureDiffusion``.
        pixel_diffusion: see ``PixelDiffusion``; None answers with the network alone.
        latents: further answers that are only trained with. Published: 4; 0: none.
        click_radius: of the click disks, in pixels of the view. Published: 5.
        backbone_lr: learning rate of the backbone, relative to the rest.

    Raises:
        IsegmError: parts whose channels do not fit each other.
    """

    protocol = "cdnet"

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        fusion: nn.Module,
        feature_diffusion: nn.Module,
        pixel_diffusion: nn.Module | None,
        latents: int = 4,
        click_radius: float = 5,
        backbone_lr: float = 0.1,
    ):
        super().__init__()
        check_fit(
            ("fusion.in_channels", fusion.in_channels, 2),
            ("head.in_channels", head.in_channels, backbone.out_channels),
            ("feature_diffusion.channels", feature_diffusion.channels, head.out_channels),
        )
        if latents < 0:
            raise IsegmError(f"latents={latents}: expected a number of answers, 0 for none")
        self.backbone, self.head, self.fusion = backbone, head, fusion
        self.feature_diffusion, self.pixel_diffusion = feature_diffusion, pixel_diffusion
        self.adjustable = () if pixel_diffusion is None else (STEPS,)
        self.latent = SepConvHead(head.out_channels, latents) if latents else None
        self.click_radius, self.backbone_lr, self.disks = click_radius, backbone_lr, disk_maps
        self.focal, self.diversity = NormalizedFocalLoss(alpha=0.5, gamma=2), DiversityLoss()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        xavier_gluon_(self)

    def forward(self, round_: Round) -> Prediction:
        """The network's answer, before pixel diffusion; what only training needs is in ``aux``.

        ``aux["gate"]`` is the feature diffusion's guess, ``B 1 H W`` in [0, 1]; ``aux["latent"]`` holds the logits of the
        further answers, ``B latents H W``.
        """
        size = round_.image.shape[-2:]
        logits, gate, features = self._answered(round_)
        aux = {"gate": resize(gate, size)}
        if self.latent is not None:
            aux["latent"] = resize(self.latent(features).float(), size)
        return Prediction(resize(logits.float(), size), aux)

    def infer(self, round_: Round) -> Prediction:
        """The answer after pixel diffusion. That of a view and its mirror image is averaged before, as published."""
        image, clicks = round_.image, round_.clicks
        logits = resize(self._answered(round_)[0].float(), image.shape[-2:])
        if self.pixel_diffusion is None:
            return Prediction(logits)
        if round_.mirrored:
            (image, _), (yx, _), (label, _) = (x.chunk(2) for x in (image, clicks.yx, clicks.label))
            straight, mirrored = logits.chunk(2)
            logits, clicks = 0.5 * (straight + mirrored.flip(-1)), Clicks(yx, label)
        logits = self.pixel_diffusion(image, logits, self.disks(clicks, image.shape[-2:], self.click_radius))
        return Prediction(torch.cat([logits, logits.flip(-1)]) if round_.mirrored else logits)

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        losses = {
            "instance": self.focal(pred.logits, target).mean(),
            "gate": GATE_LOSS * self.focal.of_prob(pred.aux["gate"], target).mean(),
        }
        if "latent" in pred.aux:
            disks = self.disks(round_.clicks, target.shape[-2:], self.click_radius)
            losses["diversity"] = self.diversity(pred.aux["latent"], target, disks)
        return losses

    def reference(self) -> CDNet:
        copied = copy.deepcopy(self)
        copied.disks = disk_maps_everywhere
        return copied

    def lr_multiplier(self, name: str) -> float:
        """As the published wrapper: the backbone is slow."""
        return self.backbone_lr if name.startswith("backbone.") else 1.0

    def _answered(self, round_: Round) -> tuple[Tensor, Tensor, Tensor]:
        """Logits and the decoder's features at a quarter of the size, ``B 1 h w`` and ``B C h w``; between them the gate."""
        size, diffusion = round_.image.shape[-2:], self.feature_diffusion
        image = (round_.image - self.mean) / self.std
        first, *_, last = self.backbone(*self.fusion(image, self.disks(round_.clicks, size, self.click_radius)))
        coarse, skip = self.head.aspp(last), self.head.skip(first)
        sources = self.disks(round_.clicks, size, diffusion.click_radius)  # B 2 H W
        coarse, gate = diffusion(coarse, resize(sources, coarse.shape[-2:]))
        logits, _, features = self.head.after((resize(coarse, skip.shape[-2:]), skip), "pyramid")
        return logits, gate, features


def cdnet(
    layers: int = 34,
    width: int = 128,
    resnet_width: int = 64,
    fusion: Spec | None = None,
    pixel_diffusion: bool = True,
    **options: Any,
) -> Spec:
    """The spec of CDNet on a ResNet with DeepLabV3+ of a width; ``options`` are further arguments of ``CDNet``.

    Published: ``(34, 128)`` with the default ``Conv1S`` fusion.
    """
    return spec(
        CDNet,
        backbone=spec(ResNet, layers=layers, width=resnet_width),
        head=deeplab_head(layers, width, resnet_width=resnet_width),
        fusion=fusion or spec(Conv1S, in_channels=2),
        feature_diffusion=spec(FeatureDiffusion, channels=width),
        pixel_diffusion=spec(PixelDiffusion) if pixel_diffusion else None,
        **options,
    )


MODES = (Mode("CDNet", needs=CDNet),)  # as published scripts call one pass of it


def tiny() -> CDNet:
    """A CDNet that runs in milliseconds on a CPU, for tests and for `synthetic`."""
    return build(cdnet(layers=10, width=32, resnet_width=8))


# --- checkpoints of the original code base ------------------------------------------------------------------------------

_DIFFUSION = "feature_extractor.FDM."
KEYS = (
    ("fusion.", "maps_transform."),
    ("latent.", "latent_head.layers."),
    ("feature_diffusion.gate.", f"{_DIFFUSION}gate_head_pos.layers."),
    ("feature_diffusion.query.", f"{_DIFFUSION}t."),
    ("feature_diffusion.key.", f"{_DIFFUSION}p."),
    ("feature_diffusion.value.", f"{_DIFFUSION}g."),
    ("feature_diffusion.object.0.", f"{_DIFFUSION}z."),
    ("feature_diffusion.object.1.", f"{_DIFFUSION}bn."),
    ("feature_diffusion.background.0.", f"{_DIFFUSION}z2."),
    ("feature_diffusion.background.1.", f"{_DIFFUSION}bn2."),
    ("pixel_diffusion.differences", "PDM.aff_x.kernel"),
    ("pixel_diffusion.neighbours", "PDM.aff_m.kernel"),
    ("pixel_diffusion.window", "PDM.aff_std.kernel"),
)
# What the original cannot express otherwise: its radii, its number of answers and of steps are written into its code.
_FIXED = {"latents": 4, "click_radius": 5}
_FIXED_PARTS = {"feature_diffusion": {"click_radius": 24}, "pixel_diffusion": {"steps": 5}}


def published(shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any] | None = None) -> Published | None:
    """Recognise a checkpoint of CDNet by its keys and shapes; None for anything else.

    Args:
        shapes: every key of the state dict and the shape of its tensor.
        config: the constructor arguments stored beside it.

    Raises:
        IsegmError: the stored configuration contradicts the tensors, or asks for what this package does not have.
    """
    config = config or {}
    if f"{_DIFFUSION}gate_head_pos.layers.0.body.0.weight" not in shapes or "PDM.aff_x.kernel" not in shapes:
        return None
    parts = recognise(shapes, config)
    if parts is None or "maps_transform.0.weight" not in shapes:
        return None
    layout = layout_of(*parts)
    told = {name: layout.values[name] for name in layout.inferred}
    for name, value in (told | {"with_prev_mask": False}).items():
        if config.get(name, value) != value:
            raise IsegmError(f"the checkpoint's configuration says {name}={config[name]!r}, but CDNet's tensors say {value!r}")
    backbone, head = parts
    args = backbone["args"]
    fusion = spec(Conv1S, in_channels=2, leaky=bool(config.get("use_leaky_relu", True)))
    rate = config.get("backbone_lr_mult", 0.1)
    described = cdnet(args["layers"], head["args"]["width"], args["width"], fusion, backbone_lr=rate)
    described["args"]["head"] = head  # with the dropout that the configuration says
    return publish(described)


def publish(described: Spec) -> Published | None:
    """How CDNet's code base would store the model of a spec; None if it cannot express it."""
    args = described["args"]
    if resolve(described["target"]) is not CDNet or args.get("pixel_diffusion") is None:
        return None
    layout, fusion = layout_of(args["backbone"], args["head"]), args["fusion"]
    if layout is None or resolve(fusion["target"]) is not Conv1S or args["backbone"]["args"].get("layers", 34) > 34:
        return None  # its pyramid takes 512 channels, whatever the backbone
    fixed = [(args, _FIXED), *((args[part]["args"], values) for part, values in _FIXED_PARTS.items())]
    if any(given.get(name, value) != value for given, values in fixed for name, value in values.items()):
        return None
    values = {
        **layout.values,
        "backbone_lr_mult": args.get("backbone_lr", 0.1),
        "with_prev_mask": False,
        "use_leaky_relu": fusion["args"].get("leaky", True),
        "use_rgb_conv": False,
        "use_disks": True,
        "norm_radius": 5,  # stored but never read
    }
    params = {name: {"type": "builtin", "value": value, "specified": True} for name, value in values.items()}
    return Published(
        described, KeyMap((*KEYS, *layout.keys)), "CDNet (published)", {"class": layout.class_path, "params": params}
    )
