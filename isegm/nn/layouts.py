"""How the code bases of the RITM family store a backbone and its head: names, constructor arguments, and recognition.

f-BRS, RITM and their descendants share these parts and the names of their parameters; a method adds its own prefixes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isegm.core.errors import unknown
from isegm.core.registry import Spec, resolve, spec
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.backbones.mix_transformer import VARIANTS, MixTransformer
from isegm.nn.backbones.resnet import DEPTHS, ResNet
from isegm.nn.heads.deeplab import DeepLabHead
from isegm.nn.heads.ocr import OCRHead
from isegm.nn.heads.segformer import SegFormerHead

Shapes = Mapping[str, tuple[int, ...]]
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
    inferred: tuple[str, ...]


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
        small = body.get("depth", "full") == "small"
        values = {"width": body.get("width", 18), "ocr_width": top["width"], "small": small, "with_aux_output": True}
        return Layout(OCR_KEYS, "isegm.model.is_hrnet_model.HRNetModel", values, ("width", "ocr_width", "small"))
    if target == (ResNet, DeepLabHead) and body.get("layers", 34) in DEPTHS:
        values = {
            "backbone": f"resnet{body.get('layers', 34)}",
            "deeplab_ch": top.get("width", 128),
            "aspp_dropout": top.get("dropout", 0.2),
        }
        return Layout(DEEPLAB_KEYS, "isegm.model.is_deeplab_model.DeeplabModel", values, ("backbone", "deeplab_ch"))
    if target == (MixTransformer, SegFormerHead) and body.get("variant", "b0") in SEGFORMERS:
        values = {"model_version": body.get("variant", "b0")}
        return Layout(SEGFORMER_KEYS, "isegm.model.is_segformer_model.SegFormerModel", values, ("model_version",))
    return None


def recognise(shapes: Shapes, config: Mapping[str, Any]) -> tuple[Spec, Spec] | None:
    """The backbone and the head whose parameters an original code base has named so; None if there are none such.

    Args:
        shapes: every key of the state dict and the shape of its tensor.
        config: the constructor arguments stored beside it, for what shapes cannot tell.
    """
    return _hrnet_ocr(shapes) or _resnet_deeplab(shapes, config)


def ocr_head(width: int, ocr_width: int, **options: Any) -> Spec:
    """The spec of the OCR head on an HRNet of a width; ``options`` are further arguments of ``OCRHead``."""
    return spec(OCRHead, in_channels=15 * width, width=ocr_width, **options)


def deeplab_head(layers: int, width: int, dropout: float | None = None, resnet_width: int = 64) -> Spec:
    """The spec of the DeepLabV3+ head on a ResNet; without ``dropout`` the published one of this width."""
    skip = resnet_width * (4 if layers >= 50 else 1)
    if dropout is None:
        dropout = 0.5 if width >= 256 else 0.2
    return spec(DeepLabHead, in_channels=8 * skip, skip_channels=skip, width=width, dropout=dropout)


def segformer_head(variant: str, width: int | None = None) -> Spec:
    """The spec of SegFormer's head on a Mix Transformer; without ``width`` the published one: 256 on B0, 512 on larger ones."""
    if variant not in VARIANTS:
        raise unknown("Mix Transformer", variant, VARIANTS)
    return spec(SegFormerHead, in_channels=VARIANTS[variant][0], width=width or (256 if variant == "b0" else 512))


def recognise_segformer(shapes: Shapes, side: str = "stage2") -> tuple[Spec, Spec] | None:
    """The Mix Transformer and the head whose parameters an original code base has named so; None if there are none such.

    Args:
        shapes: every key of the state dict and the shape of its tensor.
        side: where clicks enter, which shapes cannot tell; see ``MixTransformer``.
    """
    prefix = "feature_extractor.backbone."
    pred = shapes.get("feature_extractor.decode_head.linear_pred.weight")
    if pred is None or f"{prefix}patch_embed_side1.proj.weight" not in shapes:
        return None
    dims = tuple(shapes.get(f"{prefix}norm{stage}.weight", (0,))[0] for stage in (1, 2, 3, 4))
    depths = tuple(
        len({key.split(".")[3] for key in shapes if key.startswith(f"{prefix}block{stage}.")}) for stage in (1, 2, 3, 4)
    )
    for variant, (channels, blocks) in VARIANTS.items():
        if (channels, blocks) == (dims, depths):
            return spec(MixTransformer, variant=variant, side=side), segformer_head(variant, pred[1])
    return None


def _hrnet_ocr(shapes: Shapes) -> tuple[Spec, Spec] | None:
    finest = shapes.get("feature_extractor.stage2.0.branches.0.0.conv1.weight")
    ocr = shapes.get("feature_extractor.ocr_distri_head.object_context_block.f_down.1.0.bias")
    if finest is None or ocr is None:
        return None
    small = not any(key.startswith(("feature_extractor.layer1.3.", "feature_extractor.stage3.3.")) for key in shapes)
    return spec(HRNet, width=finest[0], depth="small" if small else "full"), ocr_head(finest[0], ocr[0])


def _resnet_deeplab(shapes: Shapes, config: Mapping[str, Any]) -> tuple[Spec, Spec] | None:
    first = shapes.get("feature_extractor.backbone.layer1.0.conv1.weight")
    project = shapes.get("feature_extractor.aspp.project.0.weight")
    if first is None or project is None:
        return None
    counts = tuple(
        len({key.split(".")[3] for key in shapes if key.startswith(f"feature_extractor.backbone.layer{stage}.")})
        for stage in (1, 2, 3, 4)
    )
    bottleneck = "feature_extractor.backbone.layer1.0.conv3.weight" in shapes
    for layers, (block, depths) in DEPTHS.items():
        if depths == counts and (block.expansion == 4) == bottleneck:
            head = deeplab_head(layers, project[0], config.get("aspp_dropout"), first[0])
            return spec(ResNet, layers=layers, width=first[0]), head
    return None
