"""What programs need that show a network the whole image at one size, without a view rule of ours:
the network alone, of one pass and without memory.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.export.onnx import parts_of
from isegm.export.parts.base import Graph, OnePass, round_of
from isegm.inference.protocol import Protocol
from isegm.methods.base import ClickModel


def simple_parts(model: ClickModel, protocol: Protocol) -> OnePass:
    """The parts of a network whose decoder is a whole model.

    Raises:
        IsegmError: it has several parts, or keeps something between clicks.
    """
    parts = parts_of(model, protocol)
    if not parts.identity or parts.keeps_state or set(parts.graphs()) != {"decoder"}:
        raise IsegmError(
            f"{type(model).__name__} has several parts or keeps something between clicks, which the"
            " tool does not know of; use a network of one part, e.g. the starter or RITM's"
        )
    return parts


class WithFeedback(nn.Module):
    """Image, points and the previous probability to the next one; all of them float32.

    Labels are 1 and 0; points with any other label count as absent.
    """

    def __init__(self, parts: OnePass) -> None:
        super().__init__()
        self.network, self.parts = parts.model, parts

    def forward(self, image: Tensor, coords: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        kind = torch.where(labels == 1, 1, torch.where(labels == 0, 0, -1))
        round_ = round_of(image, coords.double(), kind, mask)
        return self.parts.averaged_answer(round_).logits.sigmoid()


def fixed_decoder(parts: OnePass, side: int, names: tuple[str, ...]) -> Graph:
    """``WithFeedback`` for square images of one size.

    Args:
        names: of the four inputs and the output.
    """
    places = [[0.3 * side, 0.4 * side], [0.75 * side, 0.5 * side], [2.0, 3.0]]
    inputs = (
        torch.rand(1, 3, side, side),
        torch.tensor([places]),
        torch.tensor([[1.0, 0.0, -1.0]]),
        torch.rand(1, 1, side, side),
    )
    free = {name: {} for name in names[:4]} | {names[1]: {1: "clicks"}, names[2]: {1: "clicks"}}
    return Graph(WithFeedback(parts), dict(zip(names, inputs, strict=False)), free, names[4:])
