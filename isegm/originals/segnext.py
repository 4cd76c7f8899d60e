"""Files of SegNext's code base (uncbiag/SegNext)."""

from __future__ import annotations

from typing import Any

from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, spec
from isegm.methods.segnext import VARIANTS, SegNext
from isegm.nn.backbones.image_vit import ImageViT
from isegm.nn.clicks.disks import Disks
from isegm.nn.heads.simple_pyramid import PyramidHead, SimplePyramid
from isegm.nn.weights import KeyMap
from isegm.originals.plain_vit import (
    arguments_of,
    backbone_params,
    blocks_below,
    body_of,
    check_agreement,
    filled_in,
    flat,
    scales_of,
)
from isegm.originals.published import Config, Published, Shapes, disk_radius, stored

KEYS = KeyMap(
    (
        ("prompts.", "visual_prompts_encoder."),
        ("fusion.", "fusion_blocks."),
        ("head.conv_seg.", "head.seg_conv."),
    )
)
CLASS_PATH = "isegm.model.is_plainvit_model.PlainVitModel"
PARTS = {"backbone": ImageViT, "neck": SimplePyramid, "head": PyramidHead}
IGNORED = ("head_params.dropout_ratio",)  # changes no answer
INTERVAL = 3  # of the attention to the whole image in all published files


def recognise(shapes: Shapes, config: Config | None = None) -> Published | None:
    """Recognise a checkpoint of SegNext by its keys and shapes; None for anything else.

    Args:
        config: gives what shapes do not show: the attention heads, which blocks attend to the whole
            image, and the radius of disks (default: the published ones). It must agree with the
            shapes.

    Raises:
        IsegmError: the stored configuration contradicts the tensors, or asks for what only the
            original code supports; or the number of heads is unknown for this size.
    """
    names = ("visual_prompts_encoder.proj", "head.seg_conv", "backbone.patch_embed.proj")
    prompts, head, embed = (shapes.get(f"{name}.weight") for name in names)
    positions = shapes.get("backbone.pos_embed")
    if None in (prompts, head, embed, positions):
        return None
    if any(".image_to_prompt." in key for key in shapes):
        raise IsegmError(
            "the checkpoint fuses prompts by cross attention; only SegNexts with self attention, as"
            " published, can be read"
        )
    values = flat(config or {})
    body = body_of(shapes, embed, values, (body for body, _, _ in VARIANTS.values()))
    scales = scales_of(shapes)
    interval = values.get("backbone_params.global_atten_freq", INTERVAL)
    described = spec(
        SegNext,
        backbone=spec(ImageViT, **body, interval=interval),
        neck=spec(SimplePyramid, in_channels=body["channels"], out_channels=scales),
        head=spec(PyramidHead, in_channels=scales, width=head[1], spare=False),
        sax=blocks_below(shapes, "fusion_blocks."),
        clicks=spec(Disks, radius=values.get("norm_radius", 5)),
    )
    check_agreement(values, flat(_arguments(described)), IGNORED)
    return publish(described)


def publish(described: Spec) -> Published | None:
    """How SegNext's code base would store the model of a spec; None if it cannot express it."""
    args = arguments_of(described, SegNext, PARTS)
    if args is None or args["head"]["spare"] or args["head"]["upsample"] != 1:
        return None
    config = stored(CLASS_PATH, _arguments(described))
    return Published(described, KEYS, "SegNext (published)", config)


def _arguments(described: Spec) -> dict[str, Any]:
    """The arguments of the original constructor for the model of a spec."""
    args = filled_in(described)
    body, neck, head = (filled_in(args[name]) for name in PARTS)
    block = {"dim": body["channels"], "num_heads": body["heads"], "mlp_ratio": 4, "qkv_bias": True}
    fusion = {"type": "self_attention", "depth": args["sax"], "params": block}
    scales = list(neck["out_channels"])
    return {
        "backbone_params": backbone_params(body) | {"global_atten_freq": body["interval"]},
        "neck_params": {"in_dim": neck["in_channels"], "out_dims": scales},
        "head_params": {
            "in_channels": scales,
            "in_select_index": [0, 1, 2, 3],
            "dropout_ratio": head["dropout"],
            "num_classes": 1,
            "out_channels": head["width"],
        },
        "fusion_params": fusion if args["sax"] else {"type": "naive"},
        "use_disks": True,
        "norm_radius": disk_radius(described),
    }
