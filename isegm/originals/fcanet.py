"""Files of FCA-Net's code base: weights, no configuration."""

from __future__ import annotations

from isegm.core.registry import Spec, resolve
from isegm.methods.fcanet import BACKBONES, FCANet, fcanet
from isegm.nn.weights import KeyMap
from isegm.originals.published import Config, Published, Shapes

_STAGES = tuple((f"backbone.layer{stage}.", f"backbone_last.layer{stage}.") for stage in (2, 3, 4))
_BRANCHES = tuple(
    pair
    for i in range(4)
    for pair in (
        (f"head.aspp.branches.{i}.0.", f"my_aspp.aspp{i + 1}.atrous_conv."),
        (f"head.aspp.branches.{i}.1.", f"my_aspp.aspp{i + 1}.bn."),
    )
)
KEYS = KeyMap(
    (
        *_STAGES,
        ("backbone.", "backbone_pre."),
        *_BRANCHES,
        ("head.aspp.pool.", "my_aspp.global_avg_pool."),
        ("head.aspp.project.0.", "my_aspp.conv1."),
        ("head.aspp.project.1.", "my_aspp.bn1."),
        ("head.skip.", "my_decoder.side_conv."),
        ("head.merge.", "my_decoder.merge_conv."),
        ("head.classify.", "pred_decoder.pred_conv."),
        ("first_click.convs.", "first_conv.convs."),
        ("first_click.classify.", "first_pred_decoder.pred_conv."),
    )
)
STEMS = {"resnet": "conv1.weight", "res2net": "conv1.0.weight"}


def recognise(shapes: Shapes, config: Config | None = None) -> Published | None:
    """Recognise ``fcanet-resnet.pth`` and ``fcanet-res2net.pth`` by their keys; else None.

    Args:
        config: not used; the original code base stores none.
    """
    if "first_conv.convs.0.0.weight" not in shapes:
        return None
    for network, stem in STEMS.items():
        if f"backbone_pre.{stem}" in shapes:
            return publish(fcanet(network))
    return None


def publish(described: Spec) -> Published | None:
    """How the original code base would store the model of a spec; None if it cannot express it."""
    args = described["args"]
    if resolve(described["target"]) is not FCANet or args.get("first_click") is None:
        return None
    for network in BACKBONES:
        known = fcanet(network)["args"]
        if all(args.get(name, part) == part for name, part in known.items()):
            return Published(described, KEYS, f"FCA-Net {network} (published)")
    return None
