"""Making a model fast for evaluation without changing what it answers beyond float rounding."""

from __future__ import annotations

import copy

import torch

from isegm.core.clicks import Click, Clicks
from isegm.core.rounds import Round
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
        fold_batch_norms(copied, lambda: copied(_example(copied)))
    if channels_last:
        copied.to(memory_format=torch.channels_last)
    if compiled:
        copied.compile(dynamic=True)
    return copied


def _example(model: ClickModel) -> Round:
    """A round of one small view with a click, for running every layer once."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    clicks = Clicks.of([Click(40, 50, True), Click(20, 20, False)], device)
    return Round(torch.rand(1, 3, 128, 160, device=device), clicks, torch.zeros(1, 1, 128, 160, device=device))
