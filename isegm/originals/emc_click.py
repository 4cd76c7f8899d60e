"""Files of EMC-Click's code base."""

from __future__ import annotations

from typing import Any

from isegm.core.registry import Spec, resolve
from isegm.methods.emc_click import EMCClick, emc_hrnet, emc_segformer
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.backbones.mix_transformer import VARIANTS, MixTransformer
from isegm.nn.clicks.fusion import Conv1S
from isegm.nn.weights import KeyMap
from isegm.originals.layouts import layout_of, parts_of, segformer_of
from isegm.originals.published import Config, Published, Shapes, check_config, disk_radius, stored

COPIES = tuple(("refiner.corr_conv.", f"refiner.corr_conv_{kind}.") for kind in ("pos", "neg"))
CLASSES = {
    HRNet: "is_refine_model.HRNetRefineModel",
    MixTransformer: "is_refine_segformer_model.SegFormerModel",
}
SUPPORTED = {
    "with_prev_mask": True,
    "only_first_click": True,
    "use_disks": True,
    "use_rgb_conv": False,
}


def recognise(shapes: Shapes, config: Config | None = None) -> Published | None:
    """Recognise a checkpoint of EMC-Click by its keys and shapes; None for anything else.

    Args:
        config: gives the radius, and must agree with the shapes.

    Raises:
        IsegmError: the stored configuration contradicts the tensors, or is not supported.
    """
    config = config or {}
    attention = shapes.get("refiner.cross_attention.in_proj_weight")
    if attention is None:
        return None
    options: dict[str, Any] = {
        "refiner_width": attention[1],
        "click_radius": config.get("norm_radius", 5),
    }
    if parts := segformer_of(shapes):
        variant, width = parts[0]["args"]["variant"], parts[1]["args"]["width"]
        described = emc_segformer(variant, width=width, **options)
    elif (parts := parts_of(shapes, config)) and resolve(parts[0]["target"]) is HRNet:
        backbone, head = parts[0]["args"], parts[1]["args"]
        described = emc_hrnet(backbone["width"], backbone["depth"], head["width"], **options)
    else:
        return None
    published = publish(described)
    if published is not None:
        known = {name: entry["value"] for name, entry in published.config["params"].items()}
        inferred = {name: value for name, value in known.items() if name not in SUPPORTED}
        check_config(config, inferred, SUPPORTED)
    return published


def publish(described: Spec) -> Published | None:
    """How EMC-Click's code base would store the model of a spec; None if it cannot express it."""
    args = described["args"]
    if resolve(described["target"]) is not EMCClick or disk_radius(described) is None:
        return None
    layout, fusion = layout_of(args["backbone"], args["head"]), args.get("fusion")
    if layout is None or (fusion is not None and resolve(fusion["target"]) is not Conv1S):
        return None
    width = args["refiner"]["args"].get("width", 96)
    values = {
        **layout.values,
        **SUPPORTED,
        "mid_dims": width,
        "corr_channel": width,
        "norm_radius": disk_radius(described),
        "with_aux_output": True,
        "use_leaky_relu": True,
    }
    keys = KeyMap((("fusion.", "maps_transform."), *layout.keys), COPIES)
    class_path = f"isegm.model.{CLASSES[resolve(args['backbone']['target'])]}"
    unused = _unused(args["backbone"]) if fusion is None else {}
    config = stored(class_path, values)
    return Published(described, keys, "EMC-Click (published)", config, unused)


def _unused(backbone: Spec) -> dict[str, tuple[int, ...]]:
    """A norm that its SegFormers hold and never call."""
    channels = VARIANTS[backbone["args"].get("variant", "b0")][0][0]
    parts = ("weight", "bias")
    return {f"feature_extractor.backbone.norm_add.{part}": (channels,) for part in parts}
