"""Faster models for evaluation, with the same answers up to float rounding."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.inference.predictor import Predictor
from isegm.inference.views.whole_image import WholeImage
from isegm.methods.base import ClickModel
from isegm.nn.folding import fold_batch_norms

TOLERANCE = 1e-3  # of probabilities; folding in float32 moves them by about 1e-6


def for_evaluation(
    model: ClickModel, *, fold: bool = True, channels_last: bool = True, compiled: bool = False
) -> ClickModel:
    """A copy of a model, laid out for inference; the model itself if it is not ``foldable``.

    Args:
        fold: fold batch norms into convolutions.
        channels_last: store feature maps with channels last, which is faster on CPUs and GPUs.
        compiled: use ``torch.compile``; each new view size first takes a minute.

    Raises:
        IsegmError: the copy answers a click differently.
    """
    if not model.foldable:
        if compiled:
            name = type(model).__name__
            raise IsegmError(f"{name} is used as it is and cannot be compiled; leave --compile out")
        return model.eval()
    copied = copy.deepcopy(model).eval()
    for parameter in copied.parameters():
        parameter.requires_grad_(False)
    before = _answer(copied)
    if fold:
        fold_batch_norms(copied, lambda: _answer(copied, clicks=1))
    if channels_last:
        copied.to(memory_format=torch.channels_last)
    if compiled:
        copied.compile(dynamic=True)
    _check_same(before, _answer(copied), fold, channels_last, compiled)
    return copied


PROBES = (Click(50, 60, True), Click(100, 140, False))


def _answer(model: ClickModel, clicks: int = len(PROBES)) -> Tensor:
    """``1 1 H W``: the answer to clicks on a small image; one of them runs every layer once, also
    those of a second look.

    The image is fixed and has edges, because many networks answer mere noise with a constant.
    """
    rows, columns = torch.meshgrid(
        torch.linspace(0, 1, 128), torch.linspace(0, 1, 160), indexing="ij"
    )
    inside = ((rows - 0.4) ** 2 + (columns - 0.4) ** 2 < 0.06).float()
    image = torch.stack([0.2 + 0.6 * inside, 0.5 * rows + 0.3 * inside, 0.8 * columns])[None]
    predictor = Predictor(model, WholeImage())
    session = predictor.start(image)
    for click in PROBES[:clicks]:
        session = predictor.click(session, click)
    return session.prob.float().cpu()


def _check_same(before: Tensor, after: Tensor, *switches: bool) -> None:
    """Raise unless two answers are the same up to float rounding."""
    if torch.allclose(before, after, atol=TOLERANCE, equal_nan=True):
        return
    names = zip(("fold", "channels_last", "compiled"), switches, strict=True)
    on = ", ".join(name for name, switch in names if switch)
    difference = float((before - after).abs().max())
    raise IsegmError(
        f"the network answers differently when it is prepared for fast evaluation ({on}):"
        f" probabilities differ by up to {difference:.2g}, expected at most {TOLERANCE:g}."
        " Evaluate it with --as-is, which changes nothing, and report this: the preparation does"
        " not support one of its layers"
    )
