"""A network that needs no training: brightness, bumps at the clicks and a pull towards the previous
mask.

It is the probe of the protocol goldens, which were recorded with the reference evaluators.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from isegm.core.clicks import NEGATIVE, POSITIVE
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel


class ProbeNet(ClickModel):
    def __init__(self, prev_mask: bool) -> None:
        super().__init__()
        self.prev_mask = prev_mask

    def forward(self, round_: Round) -> Prediction:
        height, width = round_.image.shape[-2:]
        y = torch.arange(height, dtype=torch.float32)[:, None]
        x = torch.arange(width, dtype=torch.float32)
        logits = 10 * (round_.image.mean(1, keepdim=True) - 0.5)
        for b in range(len(logits)):
            for (row, col), label in zip(
                round_.clicks.yx[b].tolist(), round_.clicks.label[b].tolist(), strict=True
            ):
                sign = {POSITIVE: 6.0, NEGATIVE: -6.0}.get(label, 0.0)
                logits[b, 0] += sign * torch.exp(
                    -((y - row) ** 2 + (x - col) ** 2) / (2 * (0.05 * width) ** 2)
                )
        if self.prev_mask:
            logits = logits + 1.0 * (round_.prev_prob - 0.5)
        return Prediction(logits)

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        return {
            "mask": torch.nn.functional.binary_cross_entropy_with_logits(
                pred.logits, target.clamp(min=0)
            )
        }


def probe_image() -> np.ndarray:
    """``240 320 3`` uint8: two bright ellipses on a wavy background."""
    y, x = np.mgrid[:240, :320].astype(np.float64)
    q = ((y - 130) / 34) ** 2 + ((x - 190) / 46) ** 2
    q2 = ((y - 60) / 14) ** 2 + ((x - 60) / 18) ** 2
    with np.errstate(over="ignore"):
        base = 55 + 130 / (1 + np.exp(-6 * (1 - q))) + 110 / (1 + np.exp(-6 * (1 - q2)))
    waves = [18 * np.sin(0.11 * x + c) * np.cos(0.13 * y) for c in range(3)]
    return np.stack([np.clip(np.rint(base + w), 0, 255).astype(np.uint8) for w in waves], -1)


def probe_gt(ignore: bool) -> np.ndarray:
    """``240 320`` int8; with ``ignore`` a ring around the ellipse is -1."""
    y, x = np.mgrid[:240, :320].astype(np.float64)
    u = ((y - 133) / 36) ** 2 + ((x - 186) / 44) ** 2
    found = (u <= 1) | ((abs(y - 150) <= 12) & (abs(x - 150) <= 40))
    gt = found.astype(np.int8)
    if ignore:
        gt[~found & (u <= 1.15)] = -1
    return gt
