"""SimpleClick: a plain vision transformer, pretrained as a masked autoencoder (arXiv 2210.11006).

Previous mask and click disks go through a patch embedding of their own, whose tokens are added to those of the image. Attention
is windowed in most blocks. A simple pyramid makes four scales of the last map, and a few convolutions classify every pixel. The
network sees views of one fixed, square size from the first click on.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, build, resolve, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel
from isegm.methods.ritm import MEAN, STD
from isegm.nn.backbones.plain_vit import PlainViT
from isegm.nn.encoders.maps import disk_maps, disk_maps_everywhere
from isegm.nn.fit import check_fit
from isegm.nn.heads.simple_pyramid import PyramidHead, SimplePyramid
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.weights import KeyMap, Published

VARIANTS = {  # the backbone's channels, blocks, attention heads and patch; the pyramid's channels; the classifier's
    "xtiny": ((160, 8, 4, 16), (96, 192, 288, 384), 128),
    "base": ((768, 12, 12, 16), (128, 256, 512, 1024), 256),
    "large": ((1024, 24, 16, 16), (192, 384, 768, 1536), 256),
    "huge": ((1280, 32, 16, 14), (240, 480, 960, 1920), 256),
    "tiny": ((96, 8, 4, 8), (32, 64, 96, 128), 32),  # not published: for tests and for training on a CPU
}
WINDOW = 224  # pixels
SMALL_WINDOW = 64  # of the variant that is not published


class SimpleClick(ClickModel):
    """One pass from image, clicks and previous mask to logits.

    Args:
        backbone: ``forward(image, side) -> map``, with ``out_channels``, ``side_channels``, and ``frame(size)``, the size at
            least that large which it can see.
        neck: from the map to maps of several scales, with ``in_channels`` and ``out_channels``.
        head: ``forward(maps) -> logits``, with ``in_channels``.
        click_radius: of the click disks, in pixels of the view. Published: 5.
        prev_mask: whether the previous mask is an input.
        layer_decay: how much more slowly a block learns than the one after it. Published: 1; 0.75 with its layerwise decay.

    Raises:
        IsegmError: parts whose channels do not fit each other.
    """

    protocol = "simpleclick"

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module,
        head: nn.Module,
        click_radius: float = 5,
        prev_mask: bool = True,
        layer_decay: float = 1.0,
    ):
        super().__init__()
        check_fit(
            ("backbone.side_channels", backbone.side_channels, 2 + prev_mask),
            ("neck.in_channels", neck.in_channels, backbone.out_channels),
            ("head.in_channels", head.in_channels, neck.out_channels),
        )
        self.backbone, self.neck, self.head = backbone, neck, head
        self.click_radius, self.prev_mask, self.layer_decay = click_radius, prev_mask, layer_decay
        self.disks = disk_maps
        self.focal = NormalizedFocalLoss(alpha=0.5, gamma=2)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, round_: Round) -> Prediction:
        """One round.

        # differs from the original: views of any size; one that the backbone cannot see is filled up below and on the right.
        """
        height, width = round_.image.shape[-2:]
        frame = self.backbone.frame((height, width))
        around = (0, frame[1] - width, 0, frame[0] - height)
        coords = self.disks(round_.clicks, (height, width), self.click_radius)  # B 2 H W
        if self.prev_mask:
            coords = torch.cat([round_.prev_prob, coords], 1)
        image = (round_.image - self.mean) / self.std
        logits = self.head(self.neck(self.backbone(F.pad(image, around), F.pad(coords, around))))
        # float32 before resizing: under bfloat16 the interpolation would quantise the boundary
        return Prediction(resize(logits.float(), frame)[..., :height, :width])

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        return {"instance": self.focal(pred.logits, target).mean()}

    def reference(self) -> SimpleClick:
        copied = copy.deepcopy(self)
        copied.disks = disk_maps_everywhere
        return copied

    def lr_multiplier(self, name: str) -> float:
        """1 for all; with a layer decay that to the power of the blocks that come after a parameter of the backbone.

        # differs from the original: with a layer decay its optimiser forgets the patch embedding of clicks, which here learns
        # at the full rate, as all that does not come from MAE.
        """
        part, _, rest = name.partition(".")
        if part != "backbone" or rest.startswith("patch_embed_coords."):
            return 1.0
        layer = int(rest.split(".")[1]) + 1 if rest.startswith("blocks.") else 0
        return self.layer_decay ** (len(self.backbone.blocks) + 1 - layer)


def simpleclick(
    variant: str = "base",
    size: int = 448,
    pyramid: Sequence[int] | None = None,
    upsample: int = 1,
    prev_mask: bool = True,
    **options: Any,
) -> Spec:
    """The spec of SimpleClick; ``options`` are further arguments of ``SimpleClick``.

    Args:
        variant: ``"base"``, ``"large"``, ``"huge"``, ``"xtiny"``, or ``"tiny"``, which is not published.
        size: rows and columns of training crops, in pixels.
        pyramid: channels of the four scales; by default those published for 448.
        upsample: see ``PyramidHead``; the classifier is so many times narrower, as published.
    """
    if variant not in VARIANTS:
        raise unknown("SimpleClick", variant, VARIANTS)
    (channels, depth, heads, patch), scales, width = VARIANTS[variant]
    scales, window = tuple(pyramid or scales), SMALL_WINDOW if variant == "tiny" else WINDOW
    body = {"channels": channels, "depth": depth, "heads": heads, "patch": patch, "size": size, "window": window}
    return spec(
        SimpleClick,
        backbone=spec(PlainViT, **body, side_channels=2 + prev_mask),
        neck=spec(SimplePyramid, in_channels=channels, out_channels=scales),
        head=spec(PyramidHead, in_channels=scales, width=width // upsample, upsample=upsample),
        prev_mask=prev_mask,
        **options,
    )


def tiny() -> SimpleClick:
    """A SimpleClick that runs in milliseconds on a CPU, for tests and for `synthetic`."""
    return build(simpleclick("tiny", 64))


# --- checkpoints of the original code base ------------------------------------------------------------------------------

KEYS = KeyMap((("backbone.patch_embed_coords.", "patch_embed_coords."),))
# Published files hold a loss that nobody calls, as a Python object in their configuration.
STAND_INS = tuple(
    f"isegm.model.modeling.transformer_helper.cross_entropy_loss.{name}" for name in ("CrossEntropyLoss", "cross_entropy")
)
_CLASS = "isegm.model.is_plainvit_model.PlainVitModel"
_UNHEEDED = ("head_params.loss_decode", "head_params.dropout_ratio")  # change no answer


def published(shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any] | None = None) -> Published | None:
    """Recognise a checkpoint of SimpleClick's code base (version 1) by its keys and shapes; None for anything else.

    Args:
        shapes: every key of the state dict and the shape of its tensor.
        config: the constructor arguments stored beside it. Shapes cannot tell attention heads and the radius of disks, so these
            come from here; without it they are the published ones. What shapes do tell must agree with it.

    Raises:
        IsegmError: the stored configuration contradicts the tensors, or asks for what only the original code has; or a network
            of this size has no known number of heads.
    """
    coords, head = shapes.get("patch_embed_coords.proj.weight"), shapes.get("head.conv_seg.weight")
    positions, hidden = shapes.get("backbone.pos_embed"), shapes.get("head.fusion_conv.conv.weight")
    if None in (coords, head, positions, hidden):
        return None
    told = _flat(config or {})
    channels, inputs, patch = coords[:3]
    side = math.isqrt(positions[1] - 1)
    if side**2 != positions[1] - 1:
        raise IsegmError(
            f"the checkpoint has {positions[1] - 1} positions, which are no square; only square crops are supported"
        )
    depth = len({key.split(".")[2] for key in shapes if key.startswith("backbone.blocks.")})
    heads = told.get("backbone_params.num_heads") or _heads_of(channels)
    scales = [shapes[key][1] for i in range(4) if (key := f"head.convs.{i}.conv.weight") in shapes]
    body = {"channels": channels, "depth": depth, "heads": heads, "patch": patch, "size": side * patch, "window": WINDOW}
    described = spec(
        SimpleClick,
        backbone=spec(PlainViT, **body, side_channels=inputs),
        neck=spec(SimplePyramid, in_channels=channels, out_channels=scales),
        head=spec(PyramidHead, in_channels=scales, width=head[1], upsample=hidden[0] // head[1]),
        prev_mask=inputs == 3,
        click_radius=told.get("norm_radius", 5),
    )
    _check_agreement(told, _flat(_arguments(described)))
    return publish(described)


def publish(described: Spec) -> Published | None:
    """How SimpleClick's code base would store the model of a spec; None if it cannot express it."""
    if resolve(described["target"]) is not SimpleClick:
        return None
    args = _filled_in(described)
    parts = {"backbone": PlainViT, "neck": SimplePyramid, "head": PyramidHead}
    if any(resolve(args[name]["target"]) is not kind for name, kind in parts.items()):
        return None
    body = _filled_in(args["backbone"])
    if body["window"] // body["patch"] != WINDOW // body["patch"]:
        return None
    values = _arguments(described)
    params = {name: {"type": "builtin", "value": value, "specified": True} for name, value in values.items()}
    return Published(described, KEYS, "SimpleClick (published)", {"class": _CLASS, "params": params})


def _arguments(described: Spec) -> dict[str, Any]:
    """What the original constructor is given for the model of a spec."""
    args = _filled_in(described)
    body, neck, head = (_filled_in(args[name]) for name in ("backbone", "neck", "head"))
    scales = list(neck["out_channels"])
    return {
        "use_disks": True,
        "use_rgb_conv": False,
        "norm_radius": args["click_radius"],
        "with_prev_mask": args["prev_mask"],
        "backbone_params": {
            "img_size": (body["size"], body["size"]),
            "patch_size": (body["patch"], body["patch"]),
            "in_chans": 3,
            "embed_dim": body["channels"],
            "depth": body["depth"],
            "num_heads": body["heads"],
            "mlp_ratio": 4,
            "qkv_bias": True,
        },
        "neck_params": {"in_dim": neck["in_channels"], "out_dims": scales},
        "head_params": {
            "in_channels": scales,
            "in_index": [0, 1, 2, 3],
            "dropout_ratio": head["dropout"],
            "num_classes": 1,
            "loss_decode": None,  # required there, and called nowhere
            "align_corners": False,
            "upsample": f"x{head['upsample']}",
            "channels": head["width"],
        },
        "random_split": False,
    }


def _check_agreement(told: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name, value in known.items():
        said, found = (list(v) if isinstance(v, tuple) else v for v in (told.get(name, value), value))
        if said != found and name not in _UNHEEDED:
            raise IsegmError(
                f"the checkpoint's configuration says {name}={said!r}, but its tensors, or all that this package supports, are"
                f" {found!r}"
            )


def _flat(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Dictionaries of arguments with dotted names instead."""
    flat: dict[str, Any] = {}
    for name, value in arguments.items():
        flat |= {f"{name}.{inner}": v for inner, v in value.items()} if isinstance(value, Mapping) else {name: value}
    return flat


def _heads_of(channels: int) -> int:
    known = {body[0]: body[2] for body, _, _ in VARIANTS.values()}
    if channels not in known:
        raise IsegmError(
            f"the checkpoint has {channels} channels, and no configuration says how many attention heads;"
            f" known without one: {', '.join(map(str, known))} channels"
        )
    return known[channels]


def _filled_in(described: Spec) -> dict[str, Any]:
    """The arguments of a spec, those left to their defaults included."""
    parameters = inspect.signature(resolve(described["target"])).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty} | described["args"]
