"""FocalClick: the coarse network is one graph, and the refiner, which looks closer at what the
newest click changed, is a second one for crops of one size.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from isegm.core.rounds import Prediction
from isegm.export.parts.base import LOGITS, POINTS, Graph, OnePass, round_of
from isegm.methods.base import ClickModel
from isegm.methods.focalclick import FocalClick


class FocalClickParts(OnePass):
    one_size: ClassVar[bool] = True

    @property
    def extras(self) -> tuple[str, ...]:
        return ("features",)

    def graphs(self) -> dict[str, Graph]:
        return {**super().graphs(), "refiner": self.refiner()}

    def refiner(self) -> Graph:
        """From a crop, its clicks, the coarse answer and its features, and the place of the crop in
        the coarse view, to the logits of the crop. ONNX crops boxes only to a fixed size.
        """
        height, width = self.size
        prompts = self.prompts()
        with torch.no_grad():
            shown = round_of(torch.rand(1, 3, height, width), *(prompts[name] for name in POINTS))
            pred = self.averaged_answer(shown)
        inputs = {
            "crop": torch.rand(1, 3, height, width),
            **{name: prompts[name] for name in POINTS},
            "coarse_logits": pred.logits,
            "features": pred.aux["features"],
            "place": torch.tensor([[0.2 * width, 0.1 * height, 0.7 * width, 0.8 * height]]),
        }
        free = {name: {1: "clicks"} if name in POINTS else {} for name in inputs}
        return Graph(_Refiner(self.model), inputs, free, (LOGITS,))


class _Refiner(nn.Module):
    def __init__(self, model: ClickModel) -> None:
        super().__init__()
        self.network = model

    def forward(
        self,
        crop: Tensor,
        coords: Tensor,
        labels: Tensor,
        coarse: Tensor,
        features: Tensor,
        place: Tensor,
    ) -> Tensor:
        pred = Prediction(coarse, {"features": features})
        clicks = round_of(crop, coords, labels).clicks
        return self.network.look_closer(pred, crop, clicks, place)[0]


METHOD, PARTS = FocalClick, FocalClickParts
