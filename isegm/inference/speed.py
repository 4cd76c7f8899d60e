"""Making a model fast for evaluation without changing what it answers beyond float rounding."""

from __future__ import annotations

import copy

import torch

from isegm.core.clicks import Click
from isegm.inference.predictor import Predictor
from isegm.inference.zoom import WholeImage
from isegm.methods.base import ClickModel
from isegm.nn.folding import fold_batch_norms


def for_evaluation(model: ClickModel, *, fold: bool = True, channels_last: bool = True, compiled: bool = False) -> ClickModel:
    """A copy of a model, laid out for inference.

    Args:
        fold: fold batch norms into convolutions.
        channels_last: keep feature maps pixel by pixel, which the convolutions of CPUs and GPUs prefer.
        compiled: run through ``torch.compile``, which takes a minute for each new view size at first.
    """
    copied = copy.deepcopy(model).eval()
    for parameter in copied.parameters():
        parameter.requires_grad_(False)
    if fold:
        fold_batch_norms(copied, lambda: _click_once(copied))
    if channels_last:
        copied.to(memory_format=torch.channels_last)
    if compiled:
        copied.compile(dynamic=True)
    return copied


def _click_once(model: ClickModel) -> None:
    """One click on a small image, which runs every layer once, those of a second look included."""
    predictor = Predictor(model, WholeImage())
    predictor.click(predictor.start(torch.rand(1, 3, 128, 160)), Click(40, 50, True))
