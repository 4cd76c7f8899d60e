"""Files of SimpleClick's code base (uncbiag/SimpleClick, version 1)."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, resolve, spec
from isegm.methods.simpleclick import VARIANTS, WINDOW, SimpleClick
from isegm.nn.backbones.plain_vit import PlainViT
from isegm.nn.clicks.disks import Disks
from isegm.nn.heads.simple_pyramid import PyramidHead, SimplePyramid
from isegm.nn.weights import KeyMap
from isegm.originals.published import Config, Published, Shapes, disk_radius, stored

KEYS = KeyMap((("backbone.patch_embed_coords.", "patch_embed_coords."),))
# The configuration in published files holds an unused loss as a Python object.
STAND_INS = tuple(
    f"isegm.model.modeling.transformer_helper.cross_entropy_loss.{name}"
    for name in ("CrossEntropyLoss", "cross_entropy")
)
CLASS_PATH = "isegm.model.is_plainvit_model.PlainVitModel"
PARTS = {"backbone": PlainViT, "neck": SimplePyramid, "head": PyramidHead}
IGNORED = ("head_params.loss_decode", "head_params.dropout_ratio")  # change no answer


def recognise(shapes: Shapes, config: Config | None = None) -> Published | None:
    """Recognise a checkpoint of SimpleClick by its keys and shapes; None for anything else.

    Args:
        config: gives the attention heads and the radius of disks, which shapes do not show
            (default: the published ones). It must agree with the shapes.

    Raises:
        IsegmError: the stored configuration contradicts the tensors, or asks for what only the
            original code supports; or the number of heads is unknown for this size.
    """
    names = ("patch_embed_coords.proj", "head.conv_seg", "head.fusion_conv.conv")
    coords, head, hidden = (shapes.get(f"{name}.weight") for name in names)
    positions = shapes.get("backbone.pos_embed")
    if None in (coords, head, hidden, positions):
        return None
    values = _flat(config or {})
    channels, inputs, patch = coords[:3]
    blocks = {key.split(".")[2] for key in shapes if key.startswith("backbone.blocks.")}
    scales = [shapes[key][1] for i in range(4) if (key := f"head.convs.{i}.conv.weight") in shapes]
    body = {
        "channels": channels,
        "depth": len(blocks),
        "heads": values.get("backbone_params.num_heads") or _heads_of(channels),
        "patch": patch,
        "size": _side(positions[1] - 1) * patch,
        "window": WINDOW,
        "side_channels": inputs,
    }
    described = spec(
        SimpleClick,
        backbone=spec(PlainViT, **body),
        neck=spec(SimplePyramid, in_channels=channels, out_channels=scales),
        head=spec(PyramidHead, in_channels=scales, width=head[1], upsample=hidden[0] // head[1]),
        prev_mask=inputs == 3,
        clicks=spec(Disks, radius=values.get("norm_radius", 5)),
    )
    _check_agreement(values, _flat(_arguments(described)))
    return publish(described)


def publish(described: Spec) -> Published | None:
    """How SimpleClick's code base would store the model of a spec; None if it cannot express it."""
    if resolve(described["target"]) is not SimpleClick or disk_radius(described) is None:
        return None
    args = _filled_in(described)
    if any(resolve(args[name]["target"]) is not kind for name, kind in PARTS.items()):
        return None
    body = _filled_in(args["backbone"])
    if body["window"] // body["patch"] != WINDOW // body["patch"]:
        return None
    config = stored(CLASS_PATH, _arguments(described))
    return Published(described, KEYS, "SimpleClick (published)", config)


def _arguments(described: Spec) -> dict[str, Any]:
    """The arguments of the original constructor for the model of a spec."""
    args = _filled_in(described)
    body, neck, head = (_filled_in(args[name]) for name in PARTS)
    scales = list(neck["out_channels"])
    return {
        "use_disks": True,
        "use_rgb_conv": False,
        "norm_radius": disk_radius(described),
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
            "loss_decode": None,  # required there, but unused
            "align_corners": False,
            "upsample": f"x{head['upsample']}",
            "channels": head["width"],
        },
        "random_split": False,
    }


def _check_agreement(given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name, value in known.items():
        pair = (given.get(name, value), value)
        said, expected = (list(v) if isinstance(v, tuple) else v for v in pair)
        if said != expected and name not in IGNORED:
            raise IsegmError(
                f"the checkpoint's configuration says {name}={said!r}, but its tensors, or all that"
                f" this package supports, are {expected!r}"
            )


def _flat(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Nested arguments, flattened to dotted names."""
    flat: dict[str, Any] = {}
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": v for inner, v in value.items()}
        else:
            flat[name] = value
    return flat


def _side(positions: int) -> int:
    """The side, in patches, of a square crop."""
    side = math.isqrt(positions)
    if side**2 != positions:
        raise IsegmError(
            f"the checkpoint has {positions} positions, which are no square; only square crops are"
            " supported"
        )
    return side


def _heads_of(channels: int) -> int:
    known = {body[0]: body[2] for body, _, _ in VARIANTS.values()}
    if channels not in known:
        raise IsegmError(
            f"the checkpoint has {channels} channels, and no configuration says how many attention"
            f" heads; known without one: {', '.join(map(str, known))} channels"
        )
    return known[channels]


def _filled_in(described: Spec) -> dict[str, Any]:
    """The arguments of a spec, including defaults."""
    parameters = inspect.signature(resolve(described["target"])).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty} | described["args"]
