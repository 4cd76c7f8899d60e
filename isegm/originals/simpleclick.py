"""Files of SimpleClick's code base (uncbiag/SimpleClick, version 1)."""

from __future__ import annotations

from typing import Any

from isegm.core.registry import Spec, resolve, spec
from isegm.methods.simpleclick import VARIANTS, SimpleClick
from isegm.nn.backbones.plain_vit import PlainViT
from isegm.nn.clicks.disks import Disks
from isegm.nn.heads.simple_pyramid import PyramidHead, SimplePyramid
from isegm.nn.weights import KeyMap
from isegm.originals.plain_vit import (
    WINDOW,
    backbone_params,
    blocks_below,
    check_agreement,
    filled_in,
    flat,
    heads_of,
    scales_of,
    side_of,
)
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
    if None in (coords, head, hidden, positions) or "head.conv_prevMod.0.conv.weight" in shapes:
        return None  # with these layers of the head it is MFP's, see mfp.py
    values = flat(config or {})
    channels, inputs, patch = coords[:3]
    scales = scales_of(shapes)
    body = {
        "channels": channels,
        "depth": blocks_below(shapes, "backbone.blocks."),
        "heads": values.get("backbone_params.num_heads") or _heads(channels),
        "patch": patch,
        "size": side_of(positions[1]) * patch,
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
    check_agreement(values, flat(_arguments(described)), IGNORED)
    return publish(described)


def publish(described: Spec) -> Published | None:
    """How SimpleClick's code base would store the model of a spec; None if it cannot express it."""
    if resolve(described["target"]) is not SimpleClick or disk_radius(described) is None:
        return None
    args = filled_in(described)
    if any(resolve(args[name]["target"]) is not kind for name, kind in PARTS.items()):
        return None
    body = filled_in(args["backbone"])
    if body["window"] // body["patch"] != WINDOW // body["patch"]:
        return None
    config = stored(CLASS_PATH, _arguments(described))
    return Published(described, KEYS, "SimpleClick (published)", config)


def _arguments(described: Spec) -> dict[str, Any]:
    """The arguments of the original constructor for the model of a spec."""
    args = filled_in(described)
    body, neck, head = (filled_in(args[name]) for name in PARTS)
    scales = list(neck["out_channels"])
    return {
        "use_disks": True,
        "use_rgb_conv": False,
        "norm_radius": disk_radius(described),
        "with_prev_mask": args["prev_mask"],
        "backbone_params": backbone_params(body),
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


def _heads(channels: int) -> int:
    return heads_of(channels, (body for body, _, _ in VARIANTS.values()))
