"""How a method is split into graphs: what depends only on the image, what answers a click, and what
refines the answer.

Most methods see the clicks from their first layer on. They are one graph, the decoder, and their
encoder passes the image through (``OnePass``). A method that keeps something between clicks has a
file of its own in this folder, which ends with ``PARTS``, its subclass of ``OnePass``, and
``METHOD``, the class that it splits. The contract of all graphs is docs/reference/onnx.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from isegm.core.clicks import Clicks
from isegm.core.rounds import Prediction, Round
from isegm.inference.mirror import averaged, with_mirror
from isegm.methods.base import ClickModel

IMAGE, FEATURES, LOGITS = "image", "image_features", "logits"
POINTS = ("point_coords", "point_labels")
PREVIOUS = ("prev_mask", "has_prev_mask")


@dataclass(frozen=True)
class Graph:
    """A part of a network that becomes one ONNX file.

    Attributes:
        module: takes the tensors of ``inputs`` in this order and returns those of ``outputs``.
        inputs: an example of each input, by name.
        free: for each input the names of the axes that may have any length, by axis.
        outputs: the names of the results.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    free: dict[str, dict[int, str]]
    outputs: tuple[str, ...]


class OnePass:
    """A network without memory: one graph, and an encoder that passes the image through.

    Args:
        model: in eval mode, on a CPU.
        mirror: whether the answer is averaged with that to the mirror image, inside the graph.
        size: rows and columns of the example view.
        fixed: all views have this size, because free sizes could not be exported.

    Attributes:
        plane: the free axes of what has the size of the view.
        keeps_state: the method's state is taken care of; otherwise a network with state is refused.
        identity: the encoder passes the image through.
        initial_mask: a mask that a session starts from counts as a previous mask.
        one_size: some part needs the size of the protocol's views.
    """

    keeps_state: ClassVar[bool] = False
    identity: ClassVar[bool] = True
    initial_mask: ClassVar[bool] = True
    one_size: ClassVar[bool] = False

    def __init__(
        self, model: ClickModel, mirror: bool, size: tuple[int, int], fixed: bool = False
    ) -> None:
        self.model, self.mirror, self.size = model, mirror, size
        self.plane = {} if fixed else {2: "height", 3: "width"}

    def graphs(self) -> dict[str, Graph]:
        """The parts by the names of their files; an encoder only if it is a network."""
        return {"decoder": self.decoder()}

    def decoder(self) -> Graph:
        return Graph(
            _Decoder(self),
            {FEATURES: torch.rand(1, 3, *self.size), **self.prompts()},
            {FEATURES: self.plane, **self.free_prompts()},
            (LOGITS, *self.extras),
        )

    @property
    def extras(self) -> tuple[str, ...]:
        """The extras of a prediction that the decoder returns."""
        return self.model.shown_maps

    def answer(self, round_: Round) -> Prediction:
        """One round; override it if ``infer`` cannot be exported directly."""
        return self.model.infer(round_)

    def averaged_answer(self, round_: Round) -> Prediction:
        """One round, averaged with the mirror image if asked."""
        return averaged(self.answer(with_mirror(round_))) if self.mirror else self.answer(round_)

    def prompts(self) -> dict[str, Tensor]:
        """Three example clicks, of which the last is padding, and a previous mask."""
        height, width = self.size
        places = [[0.3 * width, 0.4 * height], [0.75 * width, 0.5 * height], [2.0, 3.0]]
        coords = torch.tensor([places], dtype=torch.float64)
        labels = torch.tensor([[1, 0, -1]])
        mask = torch.rand(1, 1, height, width), torch.ones(1)
        return dict(zip((*POINTS, *PREVIOUS), (coords, labels, *mask), strict=True))

    def free_prompts(self) -> dict[str, dict[int, str]]:
        clicks = {key: {1: "clicks"} for key in POINTS}
        return {**clicks, "prev_mask": self.plane, "has_prev_mask": {}}


def round_of(image: Tensor, coords: Tensor, labels: Tensor, mask: Tensor | None = None) -> Round:
    """What the network is shown: coordinates are (x, y) outside and (y, x) inside."""
    mask = torch.zeros_like(image[:, :1]) if mask is None else mask
    return Round(image, Clicks(coords.flip(-1), labels), mask)


class _Decoder(nn.Module):
    def __init__(self, parts: OnePass) -> None:
        super().__init__()
        self.network, self.parts = parts.model, parts

    def forward(
        self, image: Tensor, coords: Tensor, labels: Tensor, mask: Tensor, has_mask: Tensor
    ) -> tuple[Tensor, ...]:
        shown = torch.where(has_mask.view(1, 1, 1, 1) > 0, mask, torch.zeros_like(mask))
        pred = self.parts.averaged_answer(replace(round_of(image, coords, labels), prev_prob=shown))
        return (pred.logits, *(pred.aux[name] for name in self.parts.extras))
