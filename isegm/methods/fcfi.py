"""FCFI: focused and collaborative feedback integration (Wei, Zhang, Yong, CVPR 2023).

The last answer, the *feedback*, is a separate tensor. It is first corrected around the newest
click: places in a window that resemble the clicked one get the click's label. Then feedback and
features improve each other: together they give updated feedback, and that a residual for the
features, which a gate blocks before there is any feedback. The networks are RITM's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.clicks import PADDING, POSITIVE
from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round
from isegm.core.samples import IGNORE
from isegm.methods.base import Adjustable, ClickModel
from isegm.methods.ritm import click_maps
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.backbones.resnet import ResNet
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.fusion import Conv1S
from isegm.nn.fit import check_fit
from isegm.nn.heads.deeplab import deeplab_head
from isegm.nn.heads.feedback import Corrections, FeedbackIntegration
from isegm.nn.heads.ocr import ocr_head
from isegm.nn.init import xavier_gluon_
from isegm.nn.losses.feedback import FeedbackLoss
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.normalise import Normalise

# The settings of the authors' demonstration and evaluation script.
_EXPANSION, _ADAPTIVE = "feedback.correction.expansion", "feedback.correction.adaptive"
_HINT = "Window size relative to the object"
WINDOWS = (
    Adjustable("window", "Window ratio", _EXPANSION, 0.05, 1.0, 0.05, "Window around a new click"),
    Adjustable("adaptive", "Window by object", _ADAPTIVE, hint=_HINT),
)
RADIUS = Adjustable(
    "click_radius", "Disk radius", "clicks.radius", 1, 10, 1, "Of the clicks in the network's input"
)


class FCFI(ClickModel):
    """From image, clicks and feedback to logits and improved feedback.

    Args:
        backbone: ``forward(image, extra) -> features``, with ``out_channels``.
        head: as for RITM, with a ``feedback_point`` and ``feedback_channels``.
        fusion: how the coordinate features (object clicks and background clicks, or these after the
            previous mask) reach the backbone. Published: 2 (ResNet-101), 3 (HRNet-18).
        feedback: integrates feedback at the head's feedback point.
        feedback_loss: of both feedback maps.
        clicks: draws the click maps; default and published: ``Disks(5)``.
        lr: learning rates of ``backbone`` (and of the head's slow parts) and ``feedback`` relative
            to the rest. Published: 0.1 for the backbone, and with HRNet-18 for the feedback.

    Raises:
        IsegmError: an unknown part in ``lr``, or parts whose channels do not fit each other.
    """

    shown_maps = ("feedback2",)

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        fusion: nn.Module,
        feedback: nn.Module,
        feedback_loss: nn.Module,
        clicks: nn.Module | None = None,
        lr: Mapping[str, float] | None = None,
    ):
        super().__init__()
        for part in lr or {}:
            if part not in ("backbone", "feedback"):
                raise unknown("part in lr", part, ("backbone", "feedback"))
        check_fit(
            ("head.in_channels", head.in_channels, backbone.out_channels),
            ("feedback.channels", feedback.channels, head.feedback_channels),
            ("feedback.coords", feedback.coords, fusion.in_channels),
        )
        if fusion.in_channels not in (2, 3):
            raise IsegmError(
                f"fusion.in_channels is {fusion.in_channels}; set it to 2, or 3 to show the"
                " previous mask"
            )
        self.backbone, self.head, self.fusion, self.feedback = backbone, head, fusion, feedback
        self.clicks, self.normalise, self.lr = clicks or Disks(), Normalise(), dict(lr or {})
        self.protocol = "fcfi_r101" if isinstance(backbone, ResNet) else "fcfi_hrnet18"
        self.adjustable = WINDOWS + ((RADIUS,) if isinstance(self.clicks, Disks) else ())
        self.focal, self.feedback_loss = NormalizedFocalLoss(alpha=0.5, gamma=2), feedback_loss
        xavier_gluon_(self)

    def forward(self, round_: Round) -> Prediction:
        """One round as in training: the newest click corrects in a window with soft edges.

        ``aux`` holds the corrected and the fused feedback, ``feedback1`` and ``feedback2``
        (probabilities), the ``window`` of the correction, and the head's auxiliary output
        (``first_guess``, logits), ``B 1 H W`` each. ``state`` is the number of clicks of every
        sample, ``B``, which tells the next round the new ones.
        """
        return self.answer(round_, newest_click(round_), has_feedback(round_), soft=True)

    def infer(self, round_: Round) -> Prediction:
        """One round as in the published evaluation: all new clicks correct, newest first, in
        windows with hard edges.
        """
        return self.corrected(round_, new_clicks(round_))

    def corrected(self, round_: Round, clicks: Corrections) -> Prediction:
        """``infer`` with these corrections."""
        pred = self.answer(round_, clicks, has_feedback(round_), soft=False)
        if not round_.mirrored:
            return pred
        averaged = {name: _mirror_mean(pred.aux[name]) for name in ("feedback1", "feedback2")}
        return replace(pred, aux={**pred.aux, **averaged})

    def answer(self, round_: Round, clicks: Corrections, gate: Tensor, soft: bool) -> Prediction:
        """One round with these corrections; ``gate``, ``B``, scales the feedback's residual."""
        size = round_.image.shape[-2:]
        coords = self.clicks(round_.clicks, size)  # B 2 H W
        if self.fusion.in_channels == 3:
            coords = torch.cat([round_.prev_prob, coords], 1)
        image, point = self.normalise(round_.image), self.head.feedback_point
        features, *rest = self.head.before(self.backbone(*self.fusion(image, coords)), point)
        done = self.feedback(features, (image, coords), round_.prev_prob, clicks, gate, soft)
        logits, first_guess, _ = self.head.after((done.features, *rest), point)
        aux = {"feedback1": done.corrected, "feedback2": done.fused, "window": done.window}
        if first_guess is not None:
            aux["first_guess"] = resize(first_guess.float(), size)
        return Prediction(resize(logits.float(), size), aux, state=round_.clicks.count)

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        """Of the answer, of the corrected feedback where its window is 1, and of the fused
        feedback.

        Source: the published trainers, which configure a loss of the auxiliary output but never
        compute it.
        """
        inside = target.masked_fill(pred.aux["window"] < 1, IGNORE)
        return {
            "instance": self.focal(pred.logits, target).mean(),
            "feedback1": self.feedback_loss(pred.aux["feedback1"], inside).mean(),
            "feedback2": self.feedback_loss(pred.aux["feedback2"], target).mean(),
        }

    def lr_multiplier(self, name: str) -> float:
        """As in the published models, the backbone is slow, and with HRNet the feedback and the two
        classifiers, too.
        """
        part, _, rest = name.partition(".")
        if part == "head" and rest.startswith(self.head.slow_parts):
            part = "backbone"
        return self.lr.get(part, 1.0)


# --- which clicks correct ------------------------------------------------------------------------


def has_feedback(round_: Round) -> Tensor:
    """``B``: 1 if there is a previous answer, else 0.

    # differs from the original: it counts rounds, so it would ignore a mask that a session starts
    from.
    """
    return (round_.prev_prob > 0).flatten(1).any(1).float()


def newest_click(round_: Round) -> Corrections:
    """The click that corrects each sample in training; before any answer, the first sampled one.

    If the simulated user found no error, or there is no click at all, the feedback is "corrected"
    in the middle to its present value.
    # differs from the original: it treats a sample without object clicks as clicked at (-1, -1), on
    the object.
    """
    clicks = round_.clicks.padded(1)
    if round_.state is None:
        given = clicks.count > 0
        column = (clicks.label != PADDING).int().argmax(1)
        yx, label = clicks.yx[_rows(column), column], clicks.label[_rows(column), column]
    else:
        given, last = clicks.count > round_.state, clicks.last()
        yx, label = last.yx[:, 0], last.label[:, 0]
    height, width = round_.prev_prob.shape[-2:]
    middle = max(height // 2 - 1, 0), max(width // 2 - 1, 0)
    said = round_.prev_prob[:, 0, middle[0], middle[1]].float()
    yx = torch.where(given[:, None], yx, yx.new_tensor(middle))
    label = torch.where(given, (label == POSITIVE).float(), said)
    return Corrections(yx[:, None], label[:, None], torch.ones_like(given)[:, None])


def new_clicks(round_: Round) -> Corrections:
    """All unanswered clicks, at least the newest; samples may have different numbers of them."""
    clicks, answered = round_.clicks, round_.state
    real, count = clicks.label != PADDING, clicks.count
    known = torch.zeros_like(count) if answered is None else torch.minimum(answered, count - 1)
    fresh = real & (real.cumsum(1) > known[:, None])
    columns = fresh.any(0).nonzero()[:, 0]
    return Corrections(
        clicks.yx[:, columns],
        (clicks.label[:, columns] == POSITIVE).float(),
        fresh[:, columns],
    )


def _rows(column: Tensor) -> Tensor:
    return torch.arange(len(column), device=column.device)


def _mirror_mean(maps: Tensor) -> Tensor:
    """Maps of a batch and of its mirror image, averaged; the result has both halves, too."""
    straight, mirrored = maps.chunk(2)
    mean = 0.5 * (straight + mirrored.flip(-1))
    return torch.cat([mean, mean.flip(-1)])


# --- networks of the original code base --------------------------------------------------------


def fcfi_deeplab(
    layers: int = 101,
    width: int = 256,
    feedback_width: int = 32,
    click_map: str = "disk",
    click_radius: float = 5,
    **options: Any,
) -> Spec:
    """The spec of FCFI on a ResNet with DeepLabV3+; ``options``: more arguments of ``FCFI``.

    Published: the defaults.
    """
    parts = {
        "backbone": spec(ResNet, layers=layers),
        "head": deeplab_head(layers, width, dropout=0.2),
        "fusion": spec(Conv1S, in_channels=2),
        "feedback": spec(
            FeedbackIntegration,
            channels=width,
            coords=2,
            width=feedback_width,
            expansion=0.3,
            updates=1,
            half_pixel=True,
        ),
        "feedback_loss": spec(FeedbackLoss, weight=1.0, double_sigmoid=True),
        "clicks": click_maps(click_map, click_radius),
        "lr": {"backbone": 0.1},
    }
    return spec(FCFI, **{**parts, **options})


def fcfi_hrnet(
    width: int = 18,
    depth: str = "full",
    ocr_width: int = 48,
    feedback_width: int = 64,
    click_map: str = "disk",
    click_radius: float = 5,
    **options: Any,
) -> Spec:
    """The spec of FCFI on an HRNet with OCR; ``options``: more arguments of ``FCFI``.

    Published: the defaults.
    """
    parts = {
        "backbone": spec(HRNet, width=width, depth=depth, activated=False),
        "head": ocr_head(width, ocr_width),
        "fusion": spec(Conv1S, in_channels=3),
        "feedback": spec(
            FeedbackIntegration,
            channels=15 * width,
            coords=3,
            width=feedback_width,
            expansion=0.3,
            updates=1,
        ),
        "feedback_loss": spec(FeedbackLoss, weight=0.2, double_sigmoid=True),
        "clicks": click_maps(click_map, click_radius),
        "lr": {"backbone": 0.1, "feedback": 0.1},
    }
    return spec(FCFI, **{**parts, **options})


def fcfi_r101() -> Spec:
    """The published network on ResNet-101, trained on SBD."""
    return fcfi_deeplab()


def fcfi_hrnet18() -> Spec:
    """The published network trained on COCO+LVIS.

    Its authors call it HRNet18s; it is a full HRNet-18, not the small one.
    """
    return fcfi_hrnet()


h18s = fcfi_hrnet18  # the name in the authors' scripts and files


def tiny() -> FCFI:
    """An FCFI that runs in milliseconds on a CPU, for tests and for `synthetic`."""
    return build(fcfi_hrnet(width=8, depth="tiny", ocr_width=16, feedback_width=16))
