"""A method and data that take milliseconds: discs of a colour of their own, and three convolutions
that learn to find them.

Loaded under the name ``isegm.methods.toy``, for a spec names only targets inside isegm.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel

SIZE, CLICKS = 32, 3


class Toy(ClickModel):
    def __init__(
        self, width: int = 8, dropout: float = 0.0, norm: bool = False, break_at: int = -1
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(6, width, 3, padding=1),
            nn.BatchNorm2d(width) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Dropout2d(dropout),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
        )
        self.head = nn.Conv2d(width, 1, 1)
        self.break_at, self.calls = break_at, 0

    def forward(self, round_: Round) -> Prediction:
        image = round_.image
        maps = image.new_zeros(len(image), 2, *image.shape[-2:])
        for row, (points, labels) in enumerate(
            zip(round_.clicks.yx.tolist(), round_.clicks.label.tolist(), strict=True)
        ):
            for (y, x), label in zip(points, labels, strict=True):
                if label >= 0:
                    maps[row, 1 - label, round(y), round(x)] = 1
        logits = self.head(self.body(torch.cat([image, round_.prev_prob, maps], 1)))
        return Prediction(logits.float(), state=logits.detach())

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        known = (target >= 0).float()
        found = F.binary_cross_entropy_with_logits(
            pred.logits, target.clamp(min=0), reduction="none"
        )
        loss = ((found * known).sum((1, 2, 3)) / known.sum((1, 2, 3))).mean()
        self.calls += self.training
        if self.calls == self.break_at:
            loss = loss * float("nan")
        return {"pixels": loss, "size": 1e-3 * pred.logits.square().mean()}

    def lr_multiplier(self, name: str) -> float:
        return 0.5 if name.startswith("head") else 1.0


class Discs(Dataset):
    """Item (epoch, position) is always the same disc."""

    def __init__(self, length: int = 16, seed: int = 0) -> None:
        self.length, self.seed = length, seed
        self.asked: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Tensor]:
        self.asked.append(key)
        rng = np.random.default_rng([self.seed, *key])
        centre, radius = rng.integers(8, SIZE - 8, 2), rng.integers(4, 8)
        y, x = np.mgrid[:SIZE, :SIZE]
        disc = np.hypot(y - centre[0], x - centre[1]) <= radius
        image = rng.integers(0, 120, (3, SIZE, SIZE)) + 80 * disc
        yx, label = np.zeros((2 * CLICKS, 2)), np.full(2 * CLICKS, -1)
        yx[0], label[0] = centre, 1
        return {
            "image": torch.from_numpy(image.astype(np.uint8)),
            "target": torch.from_numpy(disc[None].astype(np.float32)),
            "yx": torch.from_numpy(yx),
            "label": torch.from_numpy(label),
            "seed": torch.tensor(int(rng.integers(2**31))),
        }
