"""EMC-Click: efficient mask correction (Du et al., CVPR 2023).

The base, a whole segmentation network, runs once: it sees the image and the first click. Its features are kept, and every
click, the first one included, is answered by a light correction network from image, all clicks, the mask so far and these
features. What is kept is a value in the session; when the view moves, the base runs again on the new one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.clicks import Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build, resolve, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel, Mode
from isegm.methods.ritm import MEAN, STD
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.backbones.mix_transformer import SMALLEST, MixTransformer
from isegm.nn.encoders.fusion import Conv1S
from isegm.nn.encoders.maps import disk_maps, disk_maps_everywhere
from isegm.nn.heads.correction import STRIDE, CorrectionNet
from isegm.nn.init import xavier_gluon_
from isegm.nn.layouts import layout_of, ocr_head, recognise, recognise_segformer, segformer_head
from isegm.nn.losses.bce import SigmoidBCE
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.weights import KeyMap, Published

AUX_LOSS = 0.4


@dataclass(frozen=True)
class EMCState:
    """What the next click needs.

    Attributes:
        context: ``B d h w``, the base's features as the correction network uses them; None: the base must run.
        logits: ``B 1 h w``, the newest answer on the grid of the correction network.
    """

    context: Tensor | None
    logits: Tensor


class EMCClick(ClickModel):
    """A base network that sees the first click, and a network that corrects its answer.

    Args:
        backbone: ``forward(image, coordinate features) -> features``, HRNet or a Mix Transformer.
        head: ``forward(features) -> (logits, aux logits or None, context features)``, with ``out_channels`` and ``slow_parts``.
        refiner: see ``CorrectionNet``.
        fusion: how the map of the first click reaches the backbone; None: the backbone takes it as it is.
        click_radius: of the click disks, in pixels of the view. Published: 5.
        backbone_lr: learning rate of the backbone and of the head's ``slow_parts``, relative to the rest.
        xavier: initialise all parts as RITM does, as published for HRNet, instead of leaving each as it came.

    Raises:
        IsegmError: parts whose channels do not fit each other.
    """

    protocol = "emc_click"

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        refiner: nn.Module,
        fusion: nn.Module | None = None,
        click_radius: float = 5,
        backbone_lr: float = 0.1,
        xavier: bool = False,
    ):
        super().__init__()
        if refiner.in_channels != head.out_channels:
            raise IsegmError(f"refiner.in_channels is {refiner.in_channels}, but the head makes {head.out_channels} channels")
        if fusion is not None and fusion.in_channels != 1:
            raise IsegmError(f"fusion.in_channels is {fusion.in_channels}, but the base sees a single map; set it to 1")
        self.backbone, self.head, self.refiner, self.fusion = backbone, head, refiner, fusion
        self.click_radius, self.backbone_lr = click_radius, backbone_lr
        self.disks = disk_maps
        self.focal, self.bce = NormalizedFocalLoss(alpha=0.5, gamma=2), SigmoidBCE()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        if xavier:
            xavier_gluon_(self)

    def forward(self, round_: Round) -> Prediction:
        """One round. The base runs unless the state holds what it made of this view.

        Where it ran, ``aux`` holds its answer as ``base`` and the first guess of an OCR head as ``first_guess``, both logits
        ``B 1 H W``.

        # differs from the original: views of any size; sides that are no multiple of 4 are filled up below and on the right.
        """
        size, state = tuple(round_.image.shape[-2:]), round_.state
        frame = self._frame(size)
        image = _filled_up((round_.image - self.mean) / self.std, frame)
        guesses: dict[str, Tensor] = {}
        context = None if state is None or round_.fresh_view else state.context
        if context is None:
            guesses, features = self.base(image, round_.clicks.first(round_.initial_clicks))
            context = self.refiner.context(features, frame)
        if state is None:
            mask = resize(guesses["base"].detach(), frame).sigmoid()
        elif round_.fresh_view:  # the kept answer belongs to another view; the session's is the same one, seen in this view
            mask = _filled_up(round_.prev_prob, frame)
        else:
            mask = resize(state.logits, frame).sigmoid()
        disks = self.disks(round_.clicks, frame, self.click_radius)
        logits = self.refiner(image, disks, mask, round_.clicks, context).float()
        # float32 before resizing: under bfloat16 the interpolation would quantise the boundary
        aux = {name: _cut(resize(guess, frame), size) for name, guess in guesses.items()}
        return Prediction(_cut(resize(logits, frame), size), aux, EMCState(context.detach(), logits.detach()))

    def base(self, image: Tensor, first: Clicks) -> tuple[dict[str, Tensor], Tensor]:
        """The full network: neither later clicks nor the previous mask reach it, nor a first click on the background.

        Args:
            image: ``B 3 H W`` normalised.
            first: the clicks there were before the first answer.

        Returns:
            its guesses by name, ``B 1 h w`` float32 logits, and its features, ``B C h w``.
        """
        shown = self.disks(first, tuple(image.shape[-2:]), self.click_radius)[:, :1]  # only those on the object
        inputs = (image, shown) if self.fusion is None else self.fusion(image, shown)
        logits, first_guess, features = self.head(self.backbone(*inputs))
        guesses = {"base": logits.float()}
        if first_guess is not None:
            guesses["first_guess"] = first_guess.float()
        return guesses, features

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        losses = {"instance": self.focal(pred.logits, target).mean()}
        if "base" in pred.aux:
            losses["base"] = self.focal(pred.aux["base"], target).mean()
        if "first_guess" in pred.aux:
            losses["aux"] = AUX_LOSS * self.bce(pred.aux["first_guess"], target).mean()
        return losses

    def trainable_state(self, state: EMCState | None) -> EMCState | None:
        """The newest answer without the features: the base learns in every step, from the first click."""
        return None if state is None else replace(state, context=None)

    def reference(self) -> EMCClick:
        copied = copy.deepcopy(self)
        copied.disks = disk_maps_everywhere
        return copied

    def lr_multiplier(self, name: str) -> float:
        """As the published wrappers: the base's backbone is slow, and with HRNet its two classifiers."""
        part, _, rest = name.partition(".")
        slow = part == "backbone" or (part == "head" and rest.startswith(self.head.slow_parts))
        return self.backbone_lr if slow else 1.0

    def _frame(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size a view is filled up to: multiples of 4, and enough places for the templates."""
        least = max(SMALLEST, self.refiner.smallest)
        return tuple(max(least, -(-side // STRIDE) * STRIDE) for side in size)


def _filled_up(x: Tensor, frame: tuple[int, int]) -> Tensor:
    return F.pad(x, (0, frame[1] - x.shape[-1], 0, frame[0] - x.shape[-2]))


def _cut(x: Tensor, size: tuple[int, int]) -> Tensor:
    return x[..., : size[0], : size[1]]


def emc_hrnet(
    width: int = 18,
    depth: str = "full",
    ocr_width: int = 64,
    refiner_width: int = 96,
    fusion: Spec | None = None,
    **options: Any,
) -> Spec:
    """The spec of EMC-Click on an HRNet with an OCR head; ``options`` are further arguments of ``EMCClick``.

    Published: ``(18, "small", 48, 64)``, ``(18, "full", 64, 96)``, ``(32, "full", 128, 96)``, all with the default fusion.
    """
    return spec(
        EMCClick,
        backbone=spec(HRNet, width=width, depth=depth),
        head=ocr_head(width, ocr_width),
        refiner=spec(CorrectionNet, in_channels=2 * ocr_width, width=refiner_width),
        fusion=fusion or spec(Conv1S, in_channels=1),
        **{"xavier": True, **options},
    )


def emc_segformer(variant: str = "b0", refiner_width: int | None = None, width: int | None = None, **options: Any) -> Spec:
    """The spec of EMC-Click on a SegFormer; ``options`` are further arguments of ``EMCClick``.

    Published: b0 and b3; ``width`` is that of the head. Widths are the published ones unless given.
    """
    head = segformer_head(variant, width)
    return spec(
        EMCClick,
        backbone=spec(MixTransformer, variant=variant, side="stage2", side_channels=1, norm_add=True),
        head=head,
        refiner=spec(
            CorrectionNet, in_channels=head["args"]["width"], width=refiner_width or (64 if variant in ("b0", "tiny") else 96)
        ),
        **options,
    )


MODES = (Mode("EMC-Click", needs=EMCClick),)  # as published scripts call one pass of it


def tiny() -> EMCClick:
    """An EMC-Click that runs in milliseconds on a CPU, for tests."""
    return build(emc_hrnet(width=8, depth="tiny", ocr_width=16, refiner_width=16))


# --- checkpoints of the original code base ------------------------------------------------------------------------------

_COPIES = tuple(("refiner.corr_conv.", f"refiner.corr_conv_{kind}.") for kind in ("pos", "neg"))
_CLASSES = {HRNet: "is_refine_model.HRNetRefineModel", MixTransformer: "is_refine_segformer_model.SegFormerModel"}
_SUPPORTED = {"with_prev_mask": True, "only_first_click": True, "use_disks": True, "use_rgb_conv": False}


def published(shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any] | None = None) -> Published | None:
    """Recognise a checkpoint of EMC-Click's code base by its keys and shapes; None for anything else.

    Args:
        shapes: every key of the state dict and the shape of its tensor.
        config: the constructor arguments stored beside it; what shapes tell must agree with it, the radius comes from it.

    Raises:
        IsegmError: the stored configuration contradicts the tensors, or asks for what is not supported.
    """
    config = config or {}
    attention = shapes.get("refiner.cross_attention.in_proj_weight")
    if attention is None:
        return None
    options: dict[str, Any] = {"refiner_width": attention[1], "click_radius": config.get("norm_radius", 5)}
    if parts := recognise_segformer(shapes):
        described = emc_segformer(parts[0]["args"]["variant"], width=parts[1]["args"]["width"], **options)
    elif (parts := recognise(shapes, config)) and resolve(parts[0]["target"]) is HRNet:
        backbone, head = parts[0]["args"], parts[1]["args"]
        described = emc_hrnet(backbone["width"], backbone["depth"], head["width"], **options)
    else:
        return None
    layout = publish(described)
    if layout is None:
        return None
    for name, entry in layout.config["params"].items():
        if config.get(name, entry["value"]) != entry["value"]:
            where = "this package supports" if name in _SUPPORTED else "its tensors say"
            raise IsegmError(f"the checkpoint's configuration says {name}={config[name]!r}, but {where} {entry['value']!r}")
    return layout


def publish(described: Spec) -> Published | None:
    """How EMC-Click's code base would store the model of a spec; None if it cannot express it."""
    args = described["args"]
    if resolve(described["target"]) is not EMCClick:
        return None
    layout = layout_of(args["backbone"], args["head"])
    if layout is None:
        return None
    values = {
        **layout.values,
        **_SUPPORTED,
        "mid_dims": args["refiner"]["args"].get("width", 96),
        "corr_channel": args["refiner"]["args"].get("width", 96),
        "norm_radius": args.get("click_radius", 5),
        "with_aux_output": True,
        "use_leaky_relu": True,
    }
    params = {name: {"type": "builtin", "value": value, "specified": True} for name, value in values.items()}
    fusion = args.get("fusion")
    if fusion is not None and resolve(fusion["target"]) is not Conv1S:
        return None
    keys = KeyMap((("fusion.", "maps_transform."), *layout.keys), _COPIES)
    class_path = f"isegm.model.{_CLASSES[resolve(args['backbone']['target'])]}"
    return Published(described, keys, "EMC-Click (published)", {"class": class_path, "params": params})
