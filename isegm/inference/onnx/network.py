"""An exported network as a ``ClickModel``: evaluated and compared like the one it was made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from isegm.core.errors import IsegmError
from isegm.core.rounds import PerRow, Prediction, Round
from isegm.inference.onnx.files import OnnxModel
from isegm.methods.base import ClickModel


class ExportedNetwork(ClickModel):
    """Answers with onnxruntime, on the CPU, a view at a time.

    Args:
        path: as for ``OnnxModel``.

    Attributes:
        protocol: the one it was exported for, by name.

    Raises:
        IsegmError: as ``OnnxModel``; or the network has several parts.
    """

    foldable = False

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.onnx = OnnxModel(path)
        if self.onnx.encodes or self.onnx.refines or self.onnx.state:
            raise IsegmError(
                f"{path} holds a {self.title} of several parts, which only isegm.Engine answers"
                " with; here, use the checkpoint that it was exported from"
            )
        self.protocol = self.onnx.protocol.name
        self.shown_maps = tuple(name for name in self.onnx.outputs if name != "logits")

    @property
    def title(self) -> str:
        return self.onnx.metadata["method"]

    def forward(self, round_: Round) -> Prediction:
        """Whether an answer is averaged with that to the mirror image was decided at export.

        Raises:
            IsegmError: the protocol decides otherwise.
        """
        count, inside = len(round_.image), self.onnx.protocol.mirror
        if inside and not round_.mirrored:
            raise IsegmError(
                "this network averages its answers with those to the mirror image, and the protocol"
                " does not; export it again with --protocol and one without mirror"
            )
        made = [self._answers(round_, i) for i in range(count // 2 if inside else count)]
        logits, *extras = (torch.cat(rows) for rows in zip(*made, strict=True))
        if inside:  # the caller's average of an answer and its mirror image is that answer
            logits = torch.cat([logits, logits.flip(-1)])
        aux = dict(zip(self.shown_maps, extras, strict=True))
        return Prediction(logits, aux, PerRow((True,) * count))

    def _answers(self, round_: Round, row: int) -> list[Tensor]:
        """Logits and extras of a row."""
        clicks, previous = round_.clicks, round_.prev_prob[row : row + 1]
        answered = round_.state is not None
        shown = answered or (self.onnx.initial_mask and bool(previous.any()))
        image = round_.image[row : row + 1].float().numpy()
        made = self.onnx.decode(
            {
                **self.onnx.encode(image, {}),
                "point_coords": clicks.yx[row : row + 1].flip(-1).double().numpy(),
                "point_labels": clicks.label[row : row + 1].long().numpy(),
                "prev_mask": previous.float().numpy(),
                "has_prev_mask": np.array([shown], np.float32),
            }
        )
        return [torch.from_numpy(made[name]) for name in ("logits", *self.shown_maps)]
