"""Answers, losses and gradients of every method, against float32 on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from isegm.core.clicks import Click
from isegm.inference.predictor import Predictor
from isegm.inference.speed import for_evaluation
from isegm.inference.views.whole_image import WholeImage
from isegm.methods.base import ClickModel
from isegm.selftest.checks import Check, Figures, Place, expect
from isegm.selftest.samples import copied, methods, picture, round_on, settled, target_on
from isegm.utils.device import tf32

RANK = 1


@dataclass(frozen=True)
class Kind:
    """A kind of arithmetic, and how far it may lead away from float32 on a CPU.

    Attributes:
        dtype: of autocast; None without.
        prob: of the largest difference of probabilities.
        loss: of the loss, relative.
        turn: of the gradient of all parameters: 1 - cosine.
        tf32: whether a GPU may round factors of float32.
    """

    dtype: torch.dtype | None
    prob: float
    loss: float
    turn: float
    tf32: bool = False


# Autocast on a CPU led away by at most a third of these, over all methods.
KINDS = {
    "fp32": Kind(None, 1e-3, 1e-3, 1e-3),
    "bf16": Kind(torch.bfloat16, 0.25, 0.07, 0.25),
    "fp16": Kind(torch.float16, 0.02, 0.01, 0.03),
}
TF32 = Kind(None, 0.02, 0.01, 0.05, tf32=True)  # on GPUs only
SESSION = 1e-3
ADVICE = {
    "fp32": "do not trust this device with this method; update the driver and torch, use --cpu",
    "tf32": "set torch.backends.cudnn.allow_tf32 = False where you need exact answers",
    "bf16": "train with --amp off (or fp16), and evaluate without --bf16",
    "fp16": "train with --amp bf16 or --amp off",
}


def checks(place: Place) -> list[Check]:
    kinds = KINDS | ({"tf32": TF32} if place.on_gpu else {})
    made = [
        Check("precision", f"{method} {name}", partial(arithmetic, method, kind), ADVICE[name], 90)
        for method in methods()
        for name, kind in kinds.items()
    ]
    advice = "evaluate with --as-is; if that fails, too, with --cpu"
    return made + [
        Check("precision", f"{method} session", partial(session, method), advice, 90)
        for method in methods()
    ]


def arithmetic(method: str, kind: Kind, place: Place) -> Figures:
    """Forward and backward, with channels last as in training."""
    model, device = settled(method), place.device
    prob, loss, grads = _pass(model, torch.device("cpu"), None)
    with tf32(kind.tf32):
        there = copied(model, device, channels_last=True)
        answer = _pass(there, device, kind.dtype)
    figures = {
        "prob": float((answer[0] - prob).abs().max()),
        "loss": float((answer[1] - loss).abs() / loss.abs()),
        "gradient": float(1 - torch.cosine_similarity(answer[2], grads, 0).clamp(max=1)),
    }
    limits = {"prob": kind.prob, "loss": kind.loss, "gradient": kind.turn}
    for name, limit in limits.items():
        expect(
            figures[name] <= limit,
            f"{name} differs from float32 on the CPU by {figures[name]:.2g}, expected at most"
            f" {limit:g}",
        )
    return figures


def _pass(
    model: ClickModel, device: torch.device, dtype: torch.dtype | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities, the sum of the losses, and the gradient as one vector; on the CPU."""
    round_, target = round_on(device), target_on(device)
    with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
        pred = model(round_)
        loss = torch.stack(list(model.losses(pred, target, round_).values())).sum()
    parameters = [p for p in model.parameters() if p.requires_grad]
    grads = torch.autograd.grad(loss, parameters, allow_unused=True)
    flat = [
        (torch.zeros_like(p) if g is None else g).reshape(-1).double().cpu()
        for p, g in zip(parameters, grads, strict=True)
    ]
    return pred.logits.detach().float().sigmoid().cpu(), loss.detach().cpu(), torch.cat(flat)


def session(method: str, place: Place) -> Figures:
    """Two clicks through the predictor, as they are evaluated: batch norms folded, channels last,
    mirror image.
    """
    model = settled(method)
    plain = _two_clicks(model)
    with tf32(False):
        fast = _two_clicks(for_evaluation(copied(model, place.device)))
    differences = [float((a - b).abs().max()) for a, b in zip(plain, fast, strict=True)]
    figures = {f"click {i}": value for i, value in enumerate(differences, 1)}
    # A second look and an optimization cut where the first answer says: only that must agree.
    expect(
        figures["click 1"] <= SESSION,
        f"the first answer differs from the CPU's by {figures['click 1']:.2g}, expected at most"
        f" {SESSION:g}",
    )
    expect(all(answer.isfinite().all() for answer in fast), "an answer is not finite")
    return figures


def _two_clicks(model: ClickModel) -> list[Tensor]:
    predictor = Predictor(model, WholeImage(), mirror=True)
    state, answers = predictor.start(picture()), []
    for click in (Click(50, 60, True), Click(100, 140, False)):
        state = predictor.click(state, click)
        answers.append(state.prob.float().cpu())
    return answers
