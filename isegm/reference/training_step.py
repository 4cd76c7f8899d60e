"""A training step as plain code: ``Learner`` must learn the same, and faster."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from isegm.core.clicks import NEGATIVE, PADDING, POSITIVE, Clicks
from isegm.core.rounds import Round
from isegm.methods.base import ClickModel
from isegm.training.batches import Batch
from isegm.training.rollout import evaluating


def sequential_step(
    model: ClickModel,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    rounds: int,
    threshold: float = 0.49,
) -> dict[str, float]:
    """Play ``rounds`` corrections, learn from the next answer, and return the losses, as RITM's
    trainer does.

    Float32, distance transforms of whole images, sample by sample, and the losses read at every
    step. For slow click maps pass a ``slow_twin``.
    """
    device = next(model.parameters()).device
    image, target = batch["image"].to(device).float() / 255, batch["target"].to(device)
    clicks, seeds = Clicks(batch["yx"], batch["label"]).to(device), batch["seed"].tolist()
    round_ = Round(
        image,
        clicks,
        torch.zeros_like(target),
        seeds=tuple(seeds),
        initial_clicks=clicks.label.shape[1],
    )
    with torch.no_grad(), evaluating(model):
        for index in range(rounds):
            prob = model(round_).logits.sigmoid()
            yx, label = sequential_clicks(prob, target, seeds, index, threshold)
            clicks = clicks.append(yx, label)
            round_ = Round(
                image,
                clicks,
                prob,
                None,
                False,
                seeds=tuple(seeds),
                initial_clicks=round_.initial_clicks,
            )
    losses = model.losses(model(round_), target, round_)
    total = sum(losses.values())
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    return {"loss": total.item(), **{name: value.item() for name, value in losses.items()}}


def sequential_clicks(
    prob: Tensor, target: Tensor, seeds: Sequence[int], index: int, threshold: float = 0.49
) -> tuple[Tensor, Tensor]:
    """``corrections.next_clicks``, sample by sample; ``index`` is the number of the correction."""
    prob, wanted = prob[:, 0].cpu().numpy(), target[:, 0].cpu().numpy() > 0.5
    clicks = []
    for answer, truth, seed in zip(prob, wanted, seeds, strict=True):
        missed, extra = _depth(truth & (answer < threshold)), _depth(~truth & (answer > threshold))
        positive = missed.max() > extra.max()
        depth = missed if positive else extra
        rows, cols = np.nonzero(depth > depth.max() / 2)
        if len(rows):
            drawn = int(np.random.default_rng([seed, index]).integers(len(rows)))
            clicks.append((rows[drawn], cols[drawn], POSITIVE if positive else NEGATIVE))
        else:
            clicks.append((0, 0, PADDING))
    yx = torch.tensor([(y, x) for y, x, _ in clicks], dtype=torch.float64)
    return yx, torch.tensor([label for *_, label in clicks], dtype=torch.int64)


def _depth(wrong: np.ndarray) -> np.ndarray:
    return cv2.distanceTransform(np.pad(wrong, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
