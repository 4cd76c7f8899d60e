"""Files of FCFI's code base."""

from __future__ import annotations

from isegm.core.registry import Spec, resolve
from isegm.methods.fcfi import FCFI, fcfi_deeplab, fcfi_hrnet
from isegm.methods.ritm import click_maps
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.backbones.resnet import ResNet
from isegm.nn.clicks.fusion import Conv1S
from isegm.nn.weights import KeyMap
from isegm.originals.layouts import layout_of, parts_of
from isegm.originals.published import Config, Published, Shapes, check_config, disk_radius, stored

CORRECTION = "feature_extractor.correction_module."
COLLABORATION = {
    ResNet: "feature_extractor.feedback_fusion.",
    HRNet: "feature_extractor.fusion_module.",
}


def recognise(shapes: Shapes, config: Config | None = None) -> Published | None:
    """Recognise a checkpoint of FCFI's code base by its keys and shapes; None for anything else.

    Args:
        config: gives what shapes do not show: ``expansion_ratio`` (default 0.3), ``update_num`` (1)
            and ``norm_radius`` (5).

    Raises:
        IsegmError: the stored configuration contradicts the tensors.
    """
    config = config or {}
    first = shapes.get(f"{CORRECTION}info_encoder.0.conv.weight")
    entry, parts = shapes.get("maps_transform.0.weight"), parts_of(shapes, config)
    if first is None or entry is None or parts is None:
        return None
    check_config(config, layout_of(*parts).inferred)  # activated=True here, as for RITM
    body, top = (part["args"] for part in parts)
    if resolve(parts[0]["target"]) is ResNet:
        head = {"head": parts[1]} if "aspp_dropout" in config else {}
        described = fcfi_deeplab(body["layers"], top["width"], first[0], **head)
    else:
        described = fcfi_hrnet(body["width"], body["depth"], top["width"], first[0])
    args = described["args"]
    args["clicks"] = click_maps("disk", config.get("norm_radius", 5))
    args["fusion"]["args"]["in_channels"] = entry[1]
    args["feedback"]["args"] |= {
        "coords": entry[1],
        "expansion": config.get("expansion_ratio", 0.3),
        "updates": config.get("update_num", 1),
    }
    return publish(described)


def publish(described: Spec) -> Published | None:
    """How FCFI's code base would store the model of a spec; None if it cannot express it."""
    args = described["args"]
    if resolve(described["target"]) is not FCFI or disk_radius(described) is None:
        return None
    layout = layout_of(args["backbone"], args["head"], activated=False)
    if layout is None or resolve(args["fusion"]["target"]) is not Conv1S:
        return None
    feedback, backbone = args["feedback"]["args"], resolve(args["backbone"]["target"])
    half_pixel = feedback.get("half_pixel", False)
    if feedback.get("adaptive", False) or half_pixel != (backbone is ResNet):
        return None  # its files do not record these
    values = {
        **layout.values,
        "backbone_lr_mult": (args.get("lr") or {}).get("backbone", 1.0),
        "with_prev_mask": args["fusion"]["args"]["in_channels"] == 3,
        "use_leaky_relu": True,
        "use_rgb_conv": False,
        "use_disks": True,
        "norm_radius": disk_radius(described),
        "expansion_ratio": feedback.get("expansion", 0.3),
        "update_num": feedback.get("updates", 1),
        "mid_ch": feedback.get("width", 64),
    }
    keys = KeyMap(
        (
            ("fusion.", "maps_transform."),
            ("feedback.correction.", CORRECTION),
            ("feedback.collaboration.", COLLABORATION[backbone]),
            *layout.keys,
        )
    )
    return Published(described, keys, "FCFI (published)", stored(layout.class_path, values))
