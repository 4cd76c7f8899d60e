"""Files of ClickAttention's code base."""

from __future__ import annotations

from isegm.core.registry import Spec, resolve
from isegm.methods.click_attention import ClickAttention, ClickAttentionEncoder, click_attention
from isegm.nn.weights import KeyMap
from isegm.originals.layouts import SEGFORMER_KEYS, SEGFORMERS, segformer_of
from isegm.originals.published import Config, Published, Shapes, check_config, disk_radius, stored

BACKBONE = "feature_extractor.backbone."
CLASS_PATH = "isegm.model.is_strong_baseline.SegFormerModelNoRefine"
OTHERS = ("refiner.", "maps_transform.", f"{BACKBONE}norm_add")  # of other SegFormers
STAGES = (1, 2, 3, 4)


def recognise(shapes: Shapes, config: Config | None = None) -> Published | None:
    """Recognise a checkpoint of ClickAttention by its keys and shapes; None for anything else.

    Args:
        config: must agree with the shapes.

    Raises:
        IsegmError: the stored configuration contradicts the tensors, or asks for the
            half-resolution pipeline ("s1").
    """
    config = config or {}
    parts = segformer_of(shapes, side="stage1")
    if parts is None or any(key.startswith(OTHERS) for key in shapes):
        return None
    if shapes[f"{BACKBONE}patch_embed_side1.proj.weight"][1] != 3:
        return None
    variant, width = parts[0]["args"]["variant"], parts[1]["args"]["width"]
    stages = [n for n in STAGES if f"{BACKBONE}attn_weight{n}.mlp_x.fc1.weight" in shapes]
    inferred = {"model_version": variant, "use_attn_weight": [n in stages for n in STAGES]}
    check_config(config, inferred, {"pipeline_version": "s2"})
    return publish(click_attention(variant, "none", stages, width))


def publish(described: Spec) -> Published | None:
    """How ClickAttention's code base stores the model of a spec; None if it cannot express it."""
    args = described["args"]
    if resolve(described["target"]) is not ClickAttention:
        return None
    backbone = args["backbone"]["args"]
    if args.get("affinity_use", "none") != "none":
        return None
    if resolve(args["backbone"]["target"]) is not ClickAttentionEncoder:
        return None
    if backbone.get("variant", "b0") not in SEGFORMERS or disk_radius(described) is None:
        return None
    values = {
        "pipeline_version": "s2",
        "model_version": backbone.get("variant", "b0"),
        "use_attn_weight": [stage in backbone.get("stages", (2, 3, 4)) for stage in STAGES],
        "use_leaky_relu": True,
        "use_rgb_conv": False,
        "use_disks": True,
        "norm_radius": disk_radius(described),
        "with_prev_mask": True,
        "binary_prev_mask": False,
        "with_aux_output": True,
    }
    config = stored(CLASS_PATH, values)
    return Published(described, KeyMap(SEGFORMER_KEYS), "ClickAttention (published)", config)
