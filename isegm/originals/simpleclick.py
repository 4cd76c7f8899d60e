"""Files of SimpleClick's code base (uncbiag/SimpleClick, version 1)."""

from __future__ import annotations

from typing import Any

from isegm.core.registry import Spec, spec
from isegm.methods.simpleclick import VARIANTS, SimpleClick
from isegm.nn.backbones.plain_vit import PlainViT
from isegm.nn.clicks.disks import Disks
from isegm.nn.heads.simple_pyramid import PyramidHead, SimplePyramid
from isegm.nn.weights import KeyMap
from isegm.originals.plain_vit import (
    arguments_of,
    backbone_params,
    body_of,
    check_agreement,
    filled_in,
    flat,
    scales_of,
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
    body = body_of(shapes, coords, values, (body for body, _, _ in VARIANTS.values()))
    inputs, scales = coords[1], scales_of(shapes)
    described = spec(
        SimpleClick,
        backbone=spec(PlainViT, **body, side_channels=inputs),
        neck=spec(SimplePyramid, in_channels=body["channels"], out_channels=scales),
        head=spec(PyramidHead, in_channels=scales, width=head[1], upsample=hidden[0] // head[1]),
        prev_mask=inputs == 3,
        clicks=spec(Disks, radius=values.get("norm_radius", 5)),
    )
    check_agreement(values, flat(_arguments(described)), IGNORED)
    return publish(described)


def publish(described: Spec) -> Published | None:
    """How SimpleClick's code base would store the model of a spec; None if it cannot express it."""
    if arguments_of(described, SimpleClick, PARTS) is None:
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
