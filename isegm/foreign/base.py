"""The adapter: how a model of somebody else answers our sessions.

An adapter is two pure functions. ``encode`` looks at an image, once; ``answer`` answers clicks on
encoded images. What it needs to remember between clicks it hands back as ``Answered.state`` and is
given again as ``Asked.state``, so undo, branches and batches work by themselves. ``ForeignModel``
makes a ``ClickModel`` of any adapter; predictor, evaluator, demo and reports need nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from isegm.core.clicks import PADDING, Click, Clicks
from isegm.core.rounds import PerRow, Prediction, Round
from isegm.foreign.encodings import Encoding, Encodings
from isegm.methods.base import ClickModel

LARGEST_LOGIT = 40.0  # its sigmoid is 1 in float32; infinite logits could not be averaged


@dataclass(frozen=True, eq=False)
class Asked:
    """One session that waits for an answer.

    Attributes:
        encoding: of its image, from ``Adapter.encode``; shared with other sessions.
        size: rows and columns of the image.
        clicks: all clicks so far, in pixels of the image; at least one.
        prob: ``H W`` float32 in [0, 1], the previous answer; zeros before the first.
        state: ``Answered.state`` of the previous answer, None before the first.
    """

    encoding: Any
    size: tuple[int, int]
    clicks: tuple[Click, ...]
    prob: Tensor
    state: Any = None


@dataclass(frozen=True, eq=False)
class Answered:
    """An answer.

    Attributes:
        logits: ``H W`` float32; positive on the object. See ``logits_of`` for probabilities.
        state: what the next click needs; never changed once it is handed out. Tensors in
            dataclasses, dicts and tuples count as memory of the session.
    """

    logits: Tensor
    state: Any = None


class Adapter:
    """Somebody else's model. It keeps nothing between calls, so threads can share it.

    Attributes:
        notes: what moves its numbers, e.g. ``("policy=single",)``; part of the protocol's label.
        network: its parameters, moved between devices and counted; None if it has none.
    """

    notes: tuple[str, ...] = ()
    network: nn.Module | None = None

    def encode(self, image: np.ndarray) -> Any:
        """What can be computed before the first click.

        Args:
            image: ``H W 3`` uint8, RGB, of any size from 1 x 1; not to be changed.
        """
        return image

    def answer(self, asked: Sequence[Asked]) -> list[Answered]:
        """Answer several sessions, in order; their images are of one size.

        An answer must not depend on the other sessions.
        """
        raise NotImplementedError(f"{type(self).__name__} must define answer(asked)")


@dataclass(frozen=True, eq=False)
class Kept:
    """What a session keeps: the encoding of its image, and the adapter's state."""

    encoding: Encoding
    state: Any


class ForeignModel(ClickModel):
    """Any adapter as a ``ClickModel``, for inference only.

    The image is encoded at the first click, and again if a protocol with zoom-in shows another
    part. Sessions on the same image share the encoding.
    """

    protocol = "whole_image"
    foldable = False
    prev_mask = False  # a mask prompt, if there is one, is in the state

    def __init__(self, adapter: Adapter) -> None:
        super().__init__()
        self.adapter, self.network = adapter, adapter.network
        self.noted = adapter.notes
        self.encodings = Encodings(adapter.encode)

    @property
    def title(self) -> str:
        return type(self.adapter).__name__

    def forward(self, round_: Round) -> Prediction:
        count, size = len(round_.image), tuple(round_.image.shape[-2:])
        stateless = round_.state is None or round_.fresh_view
        states = [None] * count if stateless else round_.state.rows
        kept = [
            Kept(self.encodings.of(pixels(round_.image[i])), None) if state is None else state
            for i, state in enumerate(states)
        ]
        clicks = _seen(round_.clicks, size)
        asked = [
            Asked(k.encoding.value, size, clicks[i], round_.prev_prob[i, 0], k.state)
            for i, k in enumerate(kept)
        ]
        # Where a crop holds none of the clicks that the model may see, nothing is known anew.
        answers = {i: Answered(logits_of(a.prob), a.state) for i, a in enumerate(asked)}
        asking = [i for i in range(count) if clicks[i]]
        answers |= zip(asking, self.adapter.answer([asked[i] for i in asking]), strict=True)
        logits = torch.stack([answers[i].logits.to(round_.image.device) for i in range(count)])
        rows = tuple(Kept(k.encoding, answers[i].state) for i, k in enumerate(kept))
        return Prediction(logits[:, None].float(), state=PerRow(rows))


def _seen(clicks: Clicks, size: tuple[int, int]) -> list[tuple[Click, ...]]:
    """The clicks of each row that lie in its view; a crop may leave some outside."""
    seen = []
    for yx, labels in zip(clicks.yx.tolist(), clicks.label.tolist(), strict=True):
        real = [
            Click(*p, label == 1) for p, label in zip(yx, labels, strict=True) if label != PADDING
        ]
        # The centre of a mirrored pixel at the edge lies up to one pixel outside.
        inside = (c for c in real if -1 < c.y < size[0] and -1 < c.x < size[1])
        seen.append(tuple(inside))
    return seen


def pixels(image: Tensor) -> np.ndarray:
    """``3 H W`` in [0, 1] to ``H W 3`` uint8; exact for an image that was uint8."""
    return (image.permute(1, 2, 0) * 255).round().to(torch.uint8).cpu().numpy()


def logits_of(prob: Tensor) -> Tensor:
    """The logits of probabilities. The predictor turns them back, up to the rounding of floats."""
    return torch.logit(prob.float()).clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
