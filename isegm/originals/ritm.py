"""Files of RITM's code base (SamsungLabs/ritm_interactive_segmentation)."""

from __future__ import annotations

from isegm.core.registry import Spec, resolve, spec
from isegm.methods.ritm import CLICK_MAPS, RITM, LossAblation, click_maps
from isegm.nn.clicks.fusion import Conv1S, ConvExtend, RGBConv
from isegm.nn.weights import KeyMap
from isegm.originals.layouts import layout_of, parts_of
from isegm.originals.published import Config, Published, Shapes, check_config, stored

FUSION_KEYS = {
    Conv1S: ("fusion.", "maps_transform."),
    ConvExtend: ("fusion.conv.", "maps_transform."),
    RGBConv: ("fusion.", "rgb_conv."),
}
# Prefixes that only code bases derived from RITM's have.
DESCENDANTS = (
    "refiner.",
    "latent_head.",
    "PDM.",
    "rgb_conv.2.running_mean",
    "feature_extractor.FDM.",
    "feature_extractor.correction_module.",
    "feature_extractor.fusion_module.",
    "feature_extractor.feedback_fusion.",
)
SUPPORTED = {"binary_prev_mask": False, "clicks_groups": None}


def recognise(shapes: Shapes, config: Config | None = None) -> Published | None:
    """Recognise a checkpoint of RITM's code base by its keys and shapes.

    Args:
        config: gives the click maps, which shapes do not show (default: disks of radius 5, as in
            the published models). It must agree with the shapes.

    Returns:
        None for anything else, including FocalClick, CDNet, FCFI and f-BRS, although their files
        name the same classes.

    Raises:
        IsegmError: the stored configuration contradicts the tensors, or asks for what only RITM's
            code has.
    """
    config = config or {}
    parts = parts_of(shapes, config)
    descendant = any(key.startswith(DESCENDANTS) for key in shapes)
    if parts is None or "pipeline_version" in config or descendant:
        return None
    fusion, channels = _fusion_of(shapes, config)
    if fusion is None:
        return None
    layout = layout_of(*parts)
    check_config(config, {**layout.inferred, "with_prev_mask": channels == 3}, SUPPORTED)
    return publish(
        spec(
            RITM,
            backbone=parts[0],
            head=parts[1],
            fusion=fusion,
            prev_mask=channels == 3,
            clicks=_clicks_of(config),
            backbone_lr=config.get("backbone_lr_mult", 0.1),
        )
    )


def publish(described: Spec) -> Published | None:
    """How RITM's code base would store the model of a spec; None if it cannot express it.

    The loss of a ``LossAblation`` is left out, because that code base keeps it in training scripts.
    """
    args = described["args"]
    if resolve(described["target"]) not in (RITM, LossAblation):
        return None
    layout, fusion = layout_of(args["backbone"], args["head"]), args["fusion"]
    fusion_class = resolve(fusion["target"])
    if layout is None or fusion_class not in FUSION_KEYS:
        return None
    clicks = args.get("clicks") or click_maps()
    kind = resolve(clicks["target"])
    if kind not in CLICK_MAPS.values():
        return None
    if fusion_class is RGBConv and not fusion["args"].get("norm_first", False):
        return None  # f-BRS' order
    values = {
        **layout.values,
        "backbone_lr_mult": args.get("backbone_lr", 0.1),
        "with_prev_mask": args.get("prev_mask", True),
        "use_leaky_relu": fusion["args"].get("leaky", True),
        "use_rgb_conv": fusion_class is RGBConv,
        "conv_extend": fusion_class is ConvExtend,
        "use_disks": kind is CLICK_MAPS["disk"],
        "norm_radius": clicks["args"].get("radius", kind().radius),
    }
    keys = KeyMap((FUSION_KEYS[fusion_class], *layout.keys))
    return Published(described, keys, "RITM (published)", stored(layout.class_path, values))


def _clicks_of(config: Config) -> Spec:
    kind = "disk" if config.get("use_disks", True) else "distance"
    return click_maps(kind, config.get("norm_radius", 5))


def _fusion_of(shapes: Shapes, config: Config) -> tuple[Spec | None, int]:
    """The fusion that a state dict holds, and how many coordinate features it takes."""
    leaky = bool(config.get("use_leaky_relu", True))
    if "rgb_conv.1.running_mean" in shapes and "rgb_conv.0.weight" in shapes:
        channels = shapes["rgb_conv.0.weight"][1] - 3
        return spec(RGBConv, in_channels=channels, norm_first=True, leaky=leaky), channels
    if "maps_transform.0.weight" in shapes:
        channels = shapes["maps_transform.0.weight"][1]
        return spec(Conv1S, in_channels=channels, leaky=leaky), channels
    if "maps_transform.weight" in shapes:
        channels = shapes["maps_transform.weight"][1]
        return spec(ConvExtend, in_channels=channels), channels
    return None, 0
