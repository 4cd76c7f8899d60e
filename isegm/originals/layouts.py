"""How the code bases of the RITM family store a backbone and its head.

f-BRS, RITM and their descendants share these parts and the names of their parameters; a code base
adds its own prefixes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isegm.core.registry import Spec, resolve, spec
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.backbones.mix_transformer import VARIANTS, MixTransformer
from isegm.nn.backbones.resnet import DEPTHS, ResNet
from isegm.nn.heads.deeplab import DeepLabHead, deeplab_head
from isegm.nn.heads.ocr import OCRHead, ocr_head
from isegm.nn.heads.segformer import SegFormerHead, segformer_head
from isegm.originals.published import Config, Shapes

Pairs = tuple[tuple[str, str], ...]

SEGFORMERS = ("b0", "b3", "b5")  # the original wrapper builds nothing for others

OCR_KEYS: Pairs = (
    ("head.aux.", "feature_extractor.aux_head."),
    ("head.reduce.", "feature_extractor.conv3x3_ocr."),
    ("head.attention.", "feature_extractor.ocr_distri_head.object_context_block."),
    ("head.merge.", "feature_extractor.ocr_distri_head.conv_bn_dropout."),
    ("head.classify.", "feature_extractor.cls_head."),
    ("backbone.", "feature_extractor."),
)
DEEPLAB_KEYS: Pairs = (
    ("backbone.", "feature_extractor.backbone."),
    ("head.aspp.pool.", "feature_extractor.aspp.concurent.4.gap."),
    ("head.aspp.branches.", "feature_extractor.aspp.concurent."),
    ("head.aspp.project.", "feature_extractor.aspp.project."),
    ("head.skip.", "feature_extractor.skip_project.skip_project."),
    ("head.decoder.", "feature_extractor.head.block."),
    ("head.classify.", "head.layers."),
)
SEGFORMER_KEYS: Pairs = (
    ("head.", "feature_extractor.decode_head."),
    ("backbone.", "feature_extractor.backbone."),
)


@dataclass(frozen=True)
class Layout:
    """How an original code base stores a backbone with a head.

    Attributes:
        keys: (name here, name there) of prefixes of parameters.
        class_path: of the model there.
        values: the arguments of that class which describe the parts.
        inferred: those of ``values`` that follow from the shapes of the tensors.
    """

    keys: Pairs
    class_path: str
    values: dict[str, Any]
    inferred: dict[str, Any]


def layout_of(backbone: Spec, head: Spec, activated: bool = True) -> Layout | None:
    """The layout of two parts; None if the original code bases have no such parts.

    Args:
        activated: of an HRNet of that code base, see ``HRNet``.
    """
    target = resolve(backbone["target"]), resolve(head["target"])
    body, top = backbone["args"], head["args"]
    if target == (HRNet, OCRHead) and body.get("depth", "full") in ("full", "small"):
        if body.get("activated", True) != activated:
            return None
        inferred = {
            "width": body.get("width", 18),
            "ocr_width": top["width"],
            "small": body.get("depth", "full") == "small",
        }
        values = {**inferred, "with_aux_output": True}
        return Layout(OCR_KEYS, "isegm.model.is_hrnet_model.HRNetModel", values, inferred)
    if target == (ResNet, DeepLabHead) and body.get("layers", 34) in DEPTHS:
        inferred = {
            "backbone": f"resnet{body.get('layers', 34)}",
            "deeplab_ch": top.get("width", 128),
        }
        values = {**inferred, "aspp_dropout": top.get("dropout", 0.2)}
        return Layout(DEEPLAB_KEYS, "isegm.model.is_deeplab_model.DeeplabModel", values, inferred)
    if target == (MixTransformer, SegFormerHead) and body.get("variant", "b0") in SEGFORMERS:
        inferred = {"model_version": body.get("variant", "b0")}
        class_path = "isegm.model.is_segformer_model.SegFormerModel"
        return Layout(SEGFORMER_KEYS, class_path, dict(inferred), inferred)
    return None


def parts_of(shapes: Shapes, config: Config) -> tuple[Spec, Spec] | None:
    """The HRNet with OCR or the ResNet with DeepLabV3+ that a file holds; None if it holds neither.

    Args:
        config: for what shapes cannot tell.
    """
    return _hrnet_ocr(shapes) or _resnet_deeplab(shapes, config)


def segformer_of(shapes: Shapes, side: str = "stage2") -> tuple[Spec, Spec] | None:
    """The Mix Transformer and the head that a file holds; None if it holds none.

    Args:
        side: where clicks enter, which shapes cannot tell; see ``MixTransformer``.
    """
    prefix = "feature_extractor.backbone."
    pred = shapes.get("feature_extractor.decode_head.linear_pred.weight")
    if pred is None or f"{prefix}patch_embed_side1.proj.weight" not in shapes:
        return None
    stages = (1, 2, 3, 4)
    dims = tuple(shapes.get(f"{prefix}norm{stage}.weight", (0,))[0] for stage in stages)
    depths = tuple(_count(shapes, f"{prefix}block{stage}.") for stage in stages)
    for variant, parts in VARIANTS.items():
        if parts == (dims, depths):
            backbone = spec(MixTransformer, variant=variant, side=side)
            return backbone, segformer_head(variant, pred[1])
    return None


def _hrnet_ocr(shapes: Shapes) -> tuple[Spec, Spec] | None:
    finest = shapes.get("feature_extractor.stage2.0.branches.0.0.conv1.weight")
    context = "feature_extractor.ocr_distri_head.object_context_block."
    ocr = shapes.get(f"{context}f_down.1.0.bias")
    if finest is None or ocr is None:
        return None
    full = ("feature_extractor.layer1.3.", "feature_extractor.stage3.3.")
    depth = "full" if any(key.startswith(full) for key in shapes) else "small"
    return spec(HRNet, width=finest[0], depth=depth), ocr_head(finest[0], ocr[0])


def _resnet_deeplab(shapes: Shapes, config: Config) -> tuple[Spec, Spec] | None:
    prefix = "feature_extractor.backbone."
    first = shapes.get(f"{prefix}layer1.0.conv1.weight")
    project = shapes.get("feature_extractor.aspp.project.0.weight")
    if first is None or project is None:
        return None
    counts = tuple(_count(shapes, f"{prefix}layer{stage}.") for stage in (1, 2, 3, 4))
    bottleneck = f"{prefix}layer1.0.conv3.weight" in shapes
    for layers, (block, depths) in DEPTHS.items():
        if depths == counts and (block.expansion == 4) == bottleneck:
            head = deeplab_head(layers, project[0], config.get("aspp_dropout"), first[0])
            return spec(ResNet, layers=layers, width=first[0]), head
    return None


def _count(shapes: Shapes, prefix: str) -> int:
    """The number of numbered blocks under a prefix."""
    return len({key[len(prefix) :].split(".")[0] for key in shapes if key.startswith(prefix)})
