"""Faster models for evaluation, with the same answers up to float rounding."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Prediction, Round
from isegm.inference.predictor import Predictor
from isegm.inference.views.whole_image import WholeImage
from isegm.methods.base import ClickModel
from isegm.nn.backbones.timm import TimmFeatures
from isegm.nn.folding import fold_batch_norms
from isegm.utils.device import tf32

TOLERANCE = 1e-3  # of probabilities; folding in float32 moves them by about 1e-6
LOGITS = 4 * TOLERANCE  # what moves a probability of 1/2 by that much
AMP_TOLERANCE = 0.1  # the mean over all pixels; bfloat16 keeps two to three digits


def for_evaluation(
    model: ClickModel,
    *,
    fold: bool = True,
    channels_last: bool = True,
    compiled: bool = False,
    amp: bool = False,
) -> ClickModel:
    """A copy of a model, laid out for inference; the model itself if it is not ``foldable``.

    Args:
        fold: fold batch norms into convolutions.
        channels_last: store feature maps with channels last, which is faster on CPUs and GPUs.
        compiled: use ``torch.compile``; each new view size first takes a minute.
        amp: the copy will run under bfloat16 autocast (``Predictor(amp=True)``): it is checked as
            such, too.

    Raises:
        IsegmError: the copy answers clicks differently, or the model answers with NaN.
    """
    if not model.foldable:
        if compiled:
            name = type(model).__name__
            raise IsegmError(f"{name} is used unchanged and cannot be compiled; omit --compile")
        return model.eval()
    copied = copy.deepcopy(model).eval()
    for parameter in copied.parameters():
        parameter.requires_grad_(False)
    before = _answer(copied)
    if not all(part.isfinite().all() for part in (*before.logits, before.prob)):
        raise IsegmError(
            "the network answers a click on a test image with NaN or infinity; its weights are"
            " damaged or do not fit it. Use another checkpoint"
        )
    if fold:
        fold_batch_norms(copied, lambda: _answer(copied, clicks=1))
    if channels_last:
        copied.to(memory_format=torch.channels_last)
    if compiled:
        copied.compile(dynamic=True)
    _check_same(before, _answer(copied), fold, channels_last, compiled)
    if amp:
        _check_close(before, _answer(copied, amp=True))
    return copied


PROBES = (Click(50, 60, True), Click(100, 140, False))


@dataclass(frozen=True)
class _Answer:
    """The network's ``logits``, one tensor per pass, and the probabilities (``1 1 H W``) at the
    end.

    Where a network is sure, probabilities hide what logits show.
    """

    logits: tuple[Tensor, ...]
    prob: Tensor


class _Recorder(Predictor):
    """A predictor that notes what the network answers."""

    def infer(self, round_: Round) -> Prediction:
        pred = super().infer(round_)
        self.noted = (*getattr(self, "noted", ()), pred.logits.float().cpu())
        return pred


def _answer(model: ClickModel, clicks: int = len(PROBES), amp: bool = False) -> _Answer:
    """The answer to clicks on a small image; one of them runs every layer once, also those of a
    second look.

    The image is fixed and has edges, because many networks answer mere noise with a constant.
    """
    rows, columns = torch.meshgrid(
        torch.linspace(0, 1, 128), torch.linspace(0, 1, 160), indexing="ij"
    )
    inside = ((rows - 0.4) ** 2 + (columns - 0.4) ** 2 < 0.06).float()
    image = torch.stack([0.2 + 0.6 * inside, 0.5 * rows + 0.3 * inside, 0.8 * columns])[None]
    predictor = _Recorder(model, _whole_image(model), amp=amp)
    session = predictor.start(image)
    with tf32(False):  # a GPU rounds more by default than the differences looked for
        for click in PROBES[:clicks]:
            session = predictor.click(session, click)
    return _Answer(predictor.noted, session.prob.float().cpu())


def _whole_image(model: ClickModel) -> WholeImage:
    """The whole test image, at the only size that a backbone takes if there is such a size."""
    sides = [m.image_size for m in model.modules() if isinstance(m, TimmFeatures)]
    side = next(filter(None, sides), None)
    return WholeImage() if side is None else WholeImage(size=(side, side))


def _check_same(before: _Answer, after: _Answer, *switches: bool) -> None:
    """Raise unless two answers are the same up to float rounding."""
    pairs = list(zip(before.logits, after.logits, strict=True))
    same = all(torch.allclose(a, b, atol=LOGITS, rtol=TOLERANCE) for a, b in pairs)
    if same and torch.allclose(before.prob, after.prob, atol=TOLERANCE):
        return
    names = zip(("fold", "channels_last", "compiled"), switches, strict=True)
    on = ", ".join(name for name, switch in names if switch)
    moved = max(float((a - b).abs().max()) for a, b in pairs)
    difference = float((before.prob - after.prob).abs().max())
    raise IsegmError(
        f"the network answers differently when it is prepared for fast evaluation ({on}):"
        f" probabilities differ by up to {difference:.2g}, expected at most {TOLERANCE:g}, and"
        f" logits by up to {moved:.2g}."
        " Evaluate it with --as-is, which changes nothing, and report this: the preparation does"
        " not support one of its layers"
    )


def _check_close(before: _Answer, after: _Answer) -> None:
    """Raise unless the answer under autocast is roughly that of the untouched network."""
    difference = float((before.prob - after.prob).abs().mean())
    if not difference <= AMP_TOLERANCE:  # NaN, too
        raise IsegmError(
            f"the network answers differently in bfloat16: probabilities differ by {difference:.2g}"
            f" on average, expected at most {AMP_TOLERANCE:g}. Evaluate it without --bf16"
        )
