"""Files of MFP's code base (cwlee00/MFP), which descends from SimpleClick's."""

from __future__ import annotations

from typing import Any

from isegm.core.registry import Spec, spec
from isegm.methods.mfp import MFP, SIDE, VARIANTS
from isegm.nn.backbones.plain_vit import PlainViT
from isegm.nn.clicks.disks import Disks
from isegm.nn.heads.modulated_pyramid import ModulatedPyramidHead
from isegm.nn.heads.simple_pyramid import SimplePyramid
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
CLASS_PATH = "isegm.model.is_plainvit_model_prevMod.PlainVitModel_prevMod"
PARTS = {"backbone": PlainViT, "neck": SimplePyramid, "head": ModulatedPyramidHead}
IGNORED = ("head_params.loss_decode", "head_params.dropout_ratio")  # change no answer
WIDTH = 256  # of the head: the original has no argument for it
EARLY, REACH = 7, 100  # of the modulation, unless the configuration says otherwise


def recognise(shapes: Shapes, config: Config | None = None) -> Published | None:
    """Recognise a checkpoint of MFP by its keys and shapes; None for anything else.

    Args:
        config: gives what shapes do not show: the attention heads, the numbers of the modulation
            and the radius of disks (default: the published ones). It must agree with the shapes.

    Raises:
        IsegmError: the stored configuration contradicts the tensors, or asks for what only the
            original code supports; or the number of heads is unknown for this size.
    """
    coords = shapes.get("patch_embed_coords.proj.weight")
    head = shapes.get("head.conv_seg.weight")
    positions = shapes.get("backbone.pos_embed")
    if None in (coords, head, positions) or "head.conv_prevMod.0.conv.weight" not in shapes:
        return None
    values = flat(config or {})
    body = body_of(shapes, coords, values, (body for body, _, _ in VARIANTS.values()))
    scales = scales_of(shapes)
    described = spec(
        MFP,
        backbone=spec(PlainViT, **body, side_channels=coords[1]),
        neck=spec(SimplePyramid, in_channels=body["channels"], out_channels=scales),
        head=spec(ModulatedPyramidHead, in_channels=scales, width=head[1]),
        clicks=spec(Disks, radius=values.get("norm_radius", 5)),
    )
    modulation = {"early": values.get("N", EARLY), "reach": values.get("R_max", REACH)}
    if modulation != {"early": EARLY, "reach": REACH}:
        described["args"] |= modulation
    check_agreement(values, flat(_arguments(described)), IGNORED)
    return publish(described)


def publish(described: Spec) -> Published | None:
    """How MFP's code base would store the model of a spec; None if it cannot express it."""
    args = arguments_of(described, MFP, PARTS)
    if args is None or args["head"]["width"] != WIDTH:
        return None
    config = stored(CLASS_PATH, _arguments(described))
    return Published(described, KEYS, "MFP (published)", config)


def _arguments(described: Spec) -> dict[str, Any]:
    """The arguments of the original constructor for the model of a spec."""
    args = filled_in(described)
    body, neck, head = (filled_in(args[name]) for name in PARTS)
    scales = list(neck["out_channels"])
    return {
        "use_disks": True,
        "use_rgb_conv": False,
        "norm_radius": disk_radius(described),
        "with_prev_mask": body["side_channels"] == SIDE,
        "N": args["early"],
        "R_max": args["reach"],
        "backbone_params": backbone_params(body),
        "neck_params": {"in_dim": neck["in_channels"], "out_dims": scales},
        "head_params": {
            "in_channels": scales,
            "in_index": [0, 1, 2, 3],
            "dropout_ratio": head["dropout"],
            "num_classes": 1,
            "loss_decode": None,  # required there, but unused
            "align_corners": False,
            "upsample": "x1",
            "channels": head["width"],
        },
        "random_split": False,
    }
