"""A data set in memory and a network that is right after a set number of clicks: evaluations whose
result is known.
"""

from __future__ import annotations

import numpy as np
import torch

from isegm.core.rounds import Prediction, Round
from isegm.core.samples import Sample
from isegm.data.evaluation_sets import EvalDataset
from isegm.methods.base import ClickModel


class Listed(EvalDataset):
    """Samples in memory; an exception in the list stands for a sample that cannot be read."""

    name = "listed"

    def __init__(self, samples: list[Sample | Exception]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        if isinstance(self.samples[index], Exception):
            raise self.samples[index]
        return self.samples[index]

    def ids(self) -> list[str]:
        return [f"sample{i}" for i in range(len(self))]

    def fingerprint(self) -> str:
        return "f" * 64


class Painted(ClickModel):
    """Answers with the colour of the image: red pixels are the object. ``wait`` clicks pass before
    it does.
    """

    def __init__(self, wait: int) -> None:
        super().__init__()
        self.wait = wait

    def forward(self, round_: Round) -> Prediction:
        ready = (round_.clicks.count > self.wait).view(-1, 1, 1, 1)
        return Prediction(
            torch.where(
                ready, 20 * round_.image[:, :1] - 10, torch.full_like(round_.image[:, :1], -10)
            )
        )


def painted(i: int, size: tuple[int, int] = (40, 50)) -> Sample:
    gt = np.zeros(size, np.int8)
    gt[5 : 20 + i, 10 : 30 + i] = 1
    image = np.zeros((*size, 3), np.uint8)
    image[gt == 1] = (255, 0, 0)
    return Sample(image, gt, f"sample{i}")
