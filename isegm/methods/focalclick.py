"""FocalClick: a small coarse answer, then a closer look where the last click changed something
(arXiv 2204.02574).

The coarse network sees a crop around the object at 256 x 256 (the target crop, which is the
protocol's zoom-in). ``refine`` then takes the region changed by the newest click from the image
(the focus crop), and a light refiner corrects the boundary there. From the eleventh click on,
nothing changes outside the focus crop.

In training, ``losses`` applies the refiner to a random focus crop of every sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core import boxes
from isegm.core.boxes import resize
from isegm.core.clicks import Clicks
from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round, Session
from isegm.core.samples import IGNORE
from isegm.methods.base import ClickModel, Mode
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.backbones.mix_transformer import MixTransformer
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.fusion import Conv1S, Separate
from isegm.nn.focus import crop_each, focus_box, logit, training_box, zoomed
from isegm.nn.heads.ocr import ocr_head
from isegm.nn.heads.refiner import LocalRefiner
from isegm.nn.heads.segformer import segformer_head
from isegm.nn.init import xavier_gluon_
from isegm.nn.losses.bce import SigmoidBCE
from isegm.nn.losses.boundary import BoundaryFocalLoss, boundary_band
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.normalise import Normalise
from isegm.nn.roi import crop_and_resize
from isegm.utils.focus import place_in_view

PIPELINES = ("s1", "s2")
FOCUS_RADIUS = 5  # of the click disks in the focus crop
AUX_LOSS = 0.4


class FocalClick(ClickModel):
    """A coarse network and a local refiner.

    Args:
        backbone: ``forward(image, output of the fusion) -> features``, HRNet or a Mix Transformer.
        head: ``forward(features) -> (logits, aux logits or None, context features)``, with
            ``out_channels``.
        fusion: how the coordinate features (previous mask, object clicks, background clicks) reach
            the backbone.
        refiner: see ``LocalRefiner``.
        pipeline: ``"s1"`` halves image and coordinate features before the coarse network, ``"s2"``
            does not.
        clicks: draws the click maps, before any halving. Published: disks of radius 5 (the default)
            with s2; with s1 2 (HRNet) or 3 (SegFormer). In the focus crop they are always disks of
            radius 5.
        lr: learning rates of ``backbone`` and ``head`` relative to the rest. Published: both 2 for
            HRNet, the backbone 0.1 for SegFormer.
        xavier: initialise all parts as in RITM (published for HRNet) instead of leaving them as
            they are.

    Raises:
        IsegmError: an unknown pipeline or part in ``lr``, or a refiner that does not fit the head.
    """

    protocol = "focalclick"

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        fusion: nn.Module,
        refiner: nn.Module,
        pipeline: str = "s2",
        clicks: nn.Module | None = None,
        lr: Mapping[str, float] | None = None,
        xavier: bool = False,
    ):
        super().__init__()
        if pipeline not in PIPELINES:
            raise unknown("pipeline", pipeline, PIPELINES)
        for part in lr or {}:
            if part not in ("backbone", "head"):
                raise unknown("part in lr", part, ("backbone", "head"))
        if refiner.in_channels != head.out_channels:
            raise IsegmError(
                f"refiner.in_channels is {refiner.in_channels}, but the head makes"
                f" {head.out_channels} channels"
            )
        self.backbone, self.head, self.fusion, self.refiner = backbone, head, fusion, refiner
        self.pipeline, self.lr = pipeline, dict(lr or {})
        self.clicks, self.focus_clicks = clicks or Disks(), Disks(FOCUS_RADIUS)
        self.normalise = Normalise()
        self.focal, self.bce = NormalizedFocalLoss(), SigmoidBCE()
        self.boundary_focal = BoundaryFocalLoss()
        if xavier:
            xavier_gluon_(self)

    def forward(self, round_: Round) -> Prediction:
        """The coarse answer; ``aux["features"]`` is for the refiner, ``B C h w``."""
        size = round_.image.shape[-2:]
        coords = torch.cat([round_.prev_prob, self.clicks(round_.clicks, size)], 1)  # B 3 H W
        image, coords = self._shown(self.normalise(round_.image)), self._shown(coords)
        inputs = self.fusion(image, coords)
        known = () if round_.features is None else (round_.features,)
        logits, first_guess, features = self.head(self.backbone(*inputs, *known))
        aux = {"features": features}
        if first_guess is not None:
            aux["first_guess"] = resize(first_guess.float(), size)
        return Prediction(resize(logits.float(), size), aux)

    def encode_image(self, image: Tensor) -> Tensor | None:
        """With a Mix Transformer, whose clicks enter at stage 2, the first stage; None with HRNet,
        where clicks enter after the first convolution.
        """
        if not isinstance(self.backbone, MixTransformer):
            return None
        return self.backbone.before_clicks(self._shown(self.normalise(image)))

    def look_closer(
        self, pred: Prediction, image: Tensor, clicks: Clicks, places: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The refiner's answer on one crop of every sample.

        Args:
            pred: the coarse answer.
            image: ``B 3 h w`` in [0, 1], the crops, at the size of the coarse answer.
            clicks: in pixels of the crops.
            places: ``B 4`` float: left, top, right, bottom of every crop in pixels of the coarse
                view.

        Returns:
            logits of the crop and of the band around the boundary, ``B 1 h w`` float32 each.
        """
        size, features = tuple(image.shape[-2:]), pred.aux["features"]
        coarse = crop_and_resize(pred.logits, places, size)
        scale = features.shape[-1] / pred.logits.shape[-1]
        context = crop_and_resize(features, places, tuple(features.shape[-2:]), scale)
        return self.refiner(image, self.focus_clicks(clicks, size), coarse, context)

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        """Of the coarse answer, and of the refiner on a random crop of every sample (see
        ``training_box``).

        Source: the published trainer and ``ig/data/base.py``.
        # differs from the original: crops are drawn here, from ``Round.seeds``, instead of in the
        data set; pixels of unknown truth stay unknown in the crop instead of becoming background.
        """
        losses = {"instance": self.focal(pred.logits, target).mean()}
        if "first_guess" in pred.aux:
            losses["aux"] = AUX_LOSS * self.bce(pred.aux["first_guess"], target).mean()
        mask = target > 0.5
        seeds = round_.seeds or range(len(target))
        # [seed, 0, 1], since simulated clicks use [seed, i].
        drawn = [
            training_box(m, np.random.default_rng([seed, 0, 1]))
            for m, seed in zip(mask[:, 0].cpu().numpy(), seeds, strict=True)
        ]
        layers = [round_.image, mask, boundary_band(mask), target == IGNORE]
        zoom = zoomed(torch.cat(layers, 1), drawn)  # B 6 H W
        image, mask, band, ignored = zoom.split([3, 1, 1, 1], 1)
        focus_target = (mask > 128 / 255).float().masked_fill(ignored > 0, IGNORE)
        places = _places([(b.left, b.top, b.right, b.bottom) for b in drawn], target.device)
        clicks = crop_each(round_.clicks, drawn, tuple(target.shape[-2:]))
        logits, band_logits = self.look_closer(pred, image, clicks, places)
        band = (band > 128 / 255).float()
        losses["refined"] = self.boundary_focal(logits, focus_target, band)
        losses["band"] = F.binary_cross_entropy_with_logits(band_logits, band)
        return losses

    def refine(self, before: Session, after: Session, pred: Prediction) -> Session:
        return self.refine_many([before], [after], pred)[0]

    @torch.no_grad()
    def refine_many(
        self,
        before: Sequence[Session],
        after: Sequence[Session],
        pred: Prediction,
        expansion: float = 1.4,
        progressive_after: int = 10,
    ) -> list[Session]:
        """Replace the answer in the focus crop of every session, with one pass of the refiner.

        Args:
            expansion: size of the focus crop relative to the box of the change.
            progressive_after: after this many clicks, nothing changes outside the focus crop.
        """
        size = tuple(pred.logits.shape[-2:])
        frames = [a.box or boxes.whole(*a.image.shape[-2:]) for a in after]
        focused = [
            focus_box(b, a, frame, expansion)
            for b, a, frame in zip(before, after, frames, strict=True)
        ]
        rows = [i for i, box in enumerate(focused) if box is not None]
        if not rows:
            return list(after)
        cut = [_pixels(boxes.cut(after[i].image, focused[i])) for i in rows]
        crops = torch.cat([resize(pixels, size) for pixels in cut])
        clicks = Clicks.cat([Clicks.of(after[i].clicks).crop(focused[i], size) for i in rows])
        clicks = clicks.to(crops.device)
        places = [place_in_view(focused[i], frames[i], size) for i in rows]
        places = _places(places, crops.device)
        coarse = Prediction(pred.logits[rows], {"features": pred.aux["features"][rows]})
        logits, _ = self.look_closer(coarse, crops, clicks, places)
        answers = list(after)
        for row, i in enumerate(rows):
            progressive = len(after[i].clicks) > progressive_after
            base = logit(before[i].feedback if progressive else after[i].prob)
            box = focused[i]
            boxes.cut(base, box).copy_(resize(logits[row : row + 1], (box.height, box.width)))
            answers[i] = replace(after[i], prob=base.sigmoid())
        return answers

    def _shown(self, x: Tensor) -> Tensor:
        """An input of the coarse network at the size of its pipeline."""
        size = x.shape[-2:]
        return resize(x, (size[0] // 2, size[1] // 2)) if self.pipeline == "s1" else x

    def lr_multiplier(self, name: str) -> float:
        """As in the published wrappers: HRNet and its head at twice the rate, a Mix Transformer at
        a tenth.
        """
        return self.lr.get(name.partition(".")[0], 1.0)


def _places(edges: Sequence[Sequence[float]], device: torch.device) -> Tensor:
    return torch.tensor(edges, dtype=torch.float32, device=device)


def _pixels(image: Tensor) -> Tensor:
    return image.float() / 255 if image.dtype == torch.uint8 else image


# --- networks of the original code base --------------------------------------------------------


def focalclick_hrnet(
    width: int = 18, depth: str = "small", ocr_width: int = 48, pipeline: str = "s2", **options: Any
) -> Spec:
    """The spec of FocalClick on an HRNet; ``options``: more arguments of ``FocalClick``.

    Published: ``(18, "small", 48)`` with s1 and s2, ``(32, "full", 128)`` with s2.
    """
    radius = 2 if pipeline == "s1" else 5
    defaults = {
        "clicks": spec(Disks, radius=radius),
        "lr": {"backbone": 2.0, "head": 2.0},
        "xavier": True,
    }
    return spec(
        FocalClick,
        backbone=spec(HRNet, width=width, depth=depth),
        head=ocr_head(width, ocr_width),
        fusion=spec(Conv1S, in_channels=3),
        refiner=spec(LocalRefiner, in_channels=2 * ocr_width),
        pipeline=pipeline,
        **{**defaults, **options},
    )


def focalclick_segformer(
    variant: str = "b0", pipeline: str = "s2", width: int | None = None, **options: Any
) -> Spec:
    """The spec of FocalClick on a SegFormer; ``options``: more arguments of ``FocalClick``.

    Published: b0 with s1 and s2, b3 with s2. ``width`` is that of the head, by default the
    published one.
    """
    head = segformer_head(variant, width)
    radius = 3 if pipeline == "s1" else 5
    defaults = {"clicks": spec(Disks, radius=radius), "lr": {"backbone": 0.1}}
    return spec(
        FocalClick,
        backbone=spec(MixTransformer, variant=variant, side="stage2"),
        head=head,
        fusion=spec(Separate, in_channels=3),
        refiner=spec(LocalRefiner, in_channels=head["args"]["width"]),
        pipeline=pipeline,
        **{**defaults, **options},
    )


MODES = (Mode("FocalClick", needs=FocalClick),)  # one pass; the name in published scripts


def tiny() -> FocalClick:
    """A FocalClick that runs in milliseconds on a CPU, for tests."""
    return build(focalclick_segformer("tiny", width=32))
