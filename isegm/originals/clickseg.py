"""Files of ClickSEG (alibaba/ClickSEG): FocalClick, CDNet, and the light baselines."""

from __future__ import annotations

from isegm.core.registry import Spec, resolve, spec
from isegm.methods.cdnet import CDNet, cdnet
from isegm.methods.clickseg_baseline import NETWORKS, ClickSEGBaseline, clickseg_baseline
from isegm.methods.focalclick import FocalClick, focalclick_hrnet, focalclick_segformer
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.clicks.fusion import Conv1S
from isegm.nn.weights import KeyMap
from isegm.originals.layouts import SEGFORMER_KEYS, layout_of, parts_of, segformer_of
from isegm.originals.published import Config, Published, Shapes, check_config, disk_radius, stored

FUSION_KEYS = ("fusion.", "maps_transform.")

_DIFFUSION = "feature_extractor.FDM."
CDNET_KEYS = (
    FUSION_KEYS,
    ("latent.", "latent_head.layers."),
    ("feature_diffusion.gate.", f"{_DIFFUSION}gate_head_pos.layers."),
    ("feature_diffusion.query.", f"{_DIFFUSION}t."),
    ("feature_diffusion.key.", f"{_DIFFUSION}p."),
    ("feature_diffusion.value.", f"{_DIFFUSION}g."),
    ("feature_diffusion.object.0.", f"{_DIFFUSION}z."),
    ("feature_diffusion.object.1.", f"{_DIFFUSION}bn."),
    ("feature_diffusion.background.0.", f"{_DIFFUSION}z2."),
    ("feature_diffusion.background.1.", f"{_DIFFUSION}bn2."),
    ("pixel_diffusion.differences", "PDM.aff_x.kernel"),
    ("pixel_diffusion.neighbours", "PDM.aff_m.kernel"),
    ("pixel_diffusion.window", "PDM.aff_std.kernel"),
)
# Constants in CDNet's code: the number of answers, the steps, and the radii.
CDNET_LATENTS, CDNET_STEPS, CDNET_RADII = 4, 5, (5, 24)

# A fusion and a gate that are never called, because clicks enter the SegFormer separately.
UNUSED_IN_SEGFORMERS = {
    "maps_transform.0.weight": (16, 3, 3, 3),
    "maps_transform.0.bias": (16,),
    "maps_transform.2.weight": (32, 16, 3, 3),
    "maps_transform.2.bias": (32,),
    "maps_transform.3.scale": (1,),
    "refiner.feature_gate.0.bias": (1,),
}
# The end of the classification network.
UNUSED_IN_PPLCNET = {
    "feature_extractor.backbone.last_conv.weight": (1280, 512, 1, 1),
    "feature_extractor.backbone.fc.weight": (1000, 1280),
    "feature_extractor.backbone.fc.bias": (1000,),
}

BASELINE_KEYS = KeyMap(
    (
        FUSION_KEYS,
        ("backbone.", "feature_extractor.backbone."),
        ("head.pyramid.features.", "feature_extractor.lraspp.b0."),
        ("head.pyramid.share.", "feature_extractor.lraspp.b1."),
        ("head.coarse.", "feature_extractor.fusion_conv1."),
        ("head.fine.", "feature_extractor.fusion_conv2."),
        ("head.aux.", "feature_extractor.aux_head."),
        ("head.classify.", "feature_extractor.head."),
    )
)
BASELINE_NAMES = {"mobilenetv2": "MobleNetV2", "pplcnet": "PPLCNet"}  # the first is misspelt there
BASELINE_MARKS = {
    "mobilenetv2": "block5.0.conv.0.conv.weight",
    "pplcnet": "blocks6.0.se.conv1.weight",
}


def recognise(shapes: Shapes, config: Config | None = None) -> Published | None:
    """Recognise a checkpoint of ClickSEG by its keys and shapes; None for anything else.

    Args:
        config: for FocalClick, ``pipeline_version`` distinguishes s1 from s2 (default s2); for the
            other two networks it only affects training.

    Raises:
        IsegmError: the stored configuration contradicts the tensors, or needs the original code.
    """
    config = config or {}
    for network in (_focalclick, _cdnet, _baseline):
        if described := network(shapes, config):
            return publish(described)
    return None


def publish(described: Spec) -> Published | None:
    """How ClickSEG would store the model of a spec; None if it cannot express it."""
    ways = {
        FocalClick: _publish_focalclick,
        CDNet: _publish_cdnet,
        ClickSEGBaseline: _publish_baseline,
    }
    way = ways.get(resolve(described["target"]))
    return way(described) if way else None


def _focalclick(shapes: Shapes, config: Config) -> Spec | None:
    marks = ("refiner.refine_trimap.weight", "maps_transform.0.weight")
    if any(mark not in shapes for mark in marks):
        return None
    pipeline = str(config.get("pipeline_version", "s2"))
    if parts := segformer_of(shapes):
        variant, width = parts[0]["args"]["variant"], parts[1]["args"]["width"]
        described = focalclick_segformer(variant, pipeline, width)
    elif (parts := parts_of(shapes, config)) and resolve(parts[0]["target"]) is HRNet:
        body, head = (part["args"] for part in parts)
        described = focalclick_hrnet(body["width"], body["depth"], head["width"], pipeline)
    else:
        return None
    layout = layout_of(*parts)
    if layout is None:
        return None
    check_config(config, layout.inferred)
    return described


def _publish_focalclick(described: Spec) -> Published | None:
    args = described["args"]
    layout = layout_of(args["backbone"], args["head"])
    if layout is None or disk_radius(described) is None:
        return None
    values = {
        **layout.values,
        "pipeline_version": args.get("pipeline", "s2"),
        "with_aux_output": True,
        "with_prev_mask": True,
        "use_leaky_relu": True,
        "use_rgb_conv": False,
        "use_disks": True,
        "norm_radius": 5,  # stored but never read: the radius follows from the pipeline
    }
    keys, config = KeyMap((FUSION_KEYS, *layout.keys)), stored(layout.class_path, values)
    unused: dict[str, tuple[int, ...]] = {}
    if layout.keys == SEGFORMER_KEYS:
        width = args["refiner"]["args"].get("width", 32)
        unused = UNUSED_IN_SEGFORMERS | {"refiner.feature_gate.0.weight": (1, width, 1, 1)}
    return Published(described, keys, "FocalClick (published)", config, unused)


def _cdnet(shapes: Shapes, config: Config) -> Spec | None:
    marks = (f"{_DIFFUSION}gate_head_pos.layers.0.body.0.weight", "PDM.aff_x.kernel")
    if any(mark not in shapes for mark in (*marks, "maps_transform.0.weight")):
        return None
    if (parts := parts_of(shapes, config)) is None:
        return None
    check_config(config, {**layout_of(*parts).inferred, "with_prev_mask": False})
    backbone, head = parts
    args = backbone["args"]
    fusion = spec(Conv1S, in_channels=2, leaky=bool(config.get("use_leaky_relu", True)))
    rate = config.get("backbone_lr_mult", 0.1)
    width = head["args"]["width"]
    described = cdnet(args["layers"], width, args["width"], fusion, backbone_lr=rate)
    described["args"]["head"] = head  # with the dropout of the configuration
    return described


def _publish_cdnet(described: Spec) -> Published | None:
    args = described["args"]
    if args.get("pixel_diffusion") is None:
        return None
    layout, fusion = layout_of(args["backbone"], args["head"]), args["fusion"]
    if layout is None or resolve(fusion["target"]) is not Conv1S:
        return None
    if args["backbone"]["args"].get("layers", 34) > 34:
        return None  # its pyramid takes 512 channels, whatever the backbone
    if args.get("latents", CDNET_LATENTS) != CDNET_LATENTS:
        return None
    if args["pixel_diffusion"]["args"].get("steps", CDNET_STEPS) != CDNET_STEPS:
        return None
    spread = args["feature_diffusion"]
    wide = disk_radius(spread) if "clicks" in spread["args"] else CDNET_RADII[1]
    if (disk_radius(described), wide) != CDNET_RADII:
        return None
    values = {
        **layout.values,
        "backbone_lr_mult": args.get("backbone_lr", 0.1),
        "with_prev_mask": False,
        "use_leaky_relu": fusion["args"].get("leaky", True),
        "use_rgb_conv": False,
        "use_disks": True,
        "norm_radius": 5,  # stored but never read
    }
    keys = KeyMap((*CDNET_KEYS, *layout.keys))
    return Published(described, keys, "CDNet (published)", stored(layout.class_path, values))


def _baseline(shapes: Shapes, config: Config) -> Spec | None:
    if "feature_extractor.lraspp.b0.0.weight" not in shapes:
        return None
    prefix = "feature_extractor.backbone."
    networks = [name for name, mark in BASELINE_MARKS.items() if f"{prefix}{mark}" in shapes]
    if len(networks) != 1:
        return None
    network = networks[0]
    inferred = {"backbone": BASELINE_NAMES[network], "with_prev_mask": True}
    check_config(config, inferred, {"binary_prev_mask": False})
    return clickseg_baseline(network, backbone_lr=config.get("backbone_lr_mult", 0.1))


def _publish_baseline(described: Spec) -> Published | None:
    args = described["args"]
    if disk_radius(described) != 5:
        return None
    for network in NETWORKS:
        parts = clickseg_baseline(network)["args"]
        if all(args[part] == value for part, value in parts.items()):
            break
    else:
        return None
    values = {
        "backbone": BASELINE_NAMES[network],
        "backbone_lr_mult": args.get("backbone_lr", 0.1),
        "with_aux_output": True,
        "with_prev_mask": True,
        "binary_prev_mask": False,
        "use_leaky_relu": True,
        "use_rgb_conv": False,
        "use_disks": True,
    }
    config = stored("isegm.model.is_strong_baseline.BaselineModel", values)
    unused = UNUSED_IN_PPLCNET if network == "pplcnet" else {}
    return Published(described, BASELINE_KEYS, "ClickSEG baseline (published)", config, unused)
