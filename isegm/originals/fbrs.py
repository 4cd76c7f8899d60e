"""Files of f-BRS' code base (SamsungLabs/fbrs_interactive_segmentation): weights only."""

from __future__ import annotations

from isegm.core.registry import Spec, resolve, spec
from isegm.methods.ritm import RITM, click_maps
from isegm.nn.clicks.fusion import RGBConv
from isegm.nn.weights import KeyMap
from isegm.originals.layouts import layout_of, parts_of
from isegm.originals.published import Config, Published, Shapes

NETWORK = {"prev_mask": False, "clicks": click_maps("distance", 260)}


def recognise(shapes: Shapes, config: Config | None = None) -> Published | None:
    """Recognise a network of f-BRS' code base by its keys and shapes.

    Args:
        config: not used; None or empty in files of f-BRS.
    """
    parts = parts_of(shapes, {})
    if parts is None or "rgb_conv.2.running_mean" not in shapes:
        return None
    backbone, head = parts
    if "ocr_width" in layout_of(backbone, head).values:
        head["args"]["slow_classifiers"] = False
    fusion = spec(RGBConv, in_channels=shapes["rgb_conv.0.weight"][1] - 3)
    return publish(spec(RITM, backbone=backbone, head=head, fusion=fusion, **NETWORK))


def publish(described: Spec) -> Published | None:
    """How f-BRS' code base would store the network of a spec; None if it cannot express it."""
    args = described["args"]
    if resolve(described["target"]) is not RITM or resolve(args["fusion"]["target"]) is not RGBConv:
        return None
    layout = layout_of(args["backbone"], args["head"])
    fusion = args["fusion"]["args"]
    same = all(args.get(name) == value for name, value in NETWORK.items())
    fbrs_order = not fusion.get("norm_first", False) and fusion.get("leaky", True)
    if layout is None or not same or not fbrs_order:
        return None
    keys = KeyMap((("fusion.", "rgb_conv."), *layout.keys))
    return Published(described, keys, "f-BRS (published)")
