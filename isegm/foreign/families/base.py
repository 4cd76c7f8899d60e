"""What the promptable models of ``transformers`` share.

A family is one file of this folder: the classes of the library, and where it differs from the
others. Source: the documentation of transformers 5 (model and processor of each family).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.core.parts import Family
from isegm.foreign.base import Adapter, Answered, Asked
from isegm.foreign.policies import USUAL, policy_of

FAMILIES = Family("family of promptable models", "isegm.foreign.families", "FAMILY", "family")
LABELS = {True: 1, False: 0}  # of points: object and background


@dataclass(frozen=True, eq=False)
class Encoded:
    """An image that the vision encoder has seen.

    Attributes:
        embeddings: one or several tensors of one row each.
        shown: rows and columns that the image fills in the encoder's input.
    """

    embeddings: tuple[Tensor, ...]
    shown: tuple[int, int]


class Promptable(Adapter):
    """A model of ``transformers`` that answers points.

    All sessions that have made the same number of clicks are answered in one pass. Points are
    never padded, because a padded point is another token that the decoder attends to.

    Args:
        model, processor: of the library.
        policy: a name of ``isegm.foreign.policies``.

    Attributes:
        MODEL, PROCESSOR: the library's classes, by name.
        TYPES: the ``model_type`` of folders that this family reads.
    """

    MODEL: ClassVar[str]
    PROCESSOR: ClassVar[str]
    TYPES: ClassVar[tuple[str, ...]]

    def __init__(self, model: nn.Module, processor: Any, policy: str = USUAL) -> None:
        self.network, self.processor = model.eval().requires_grad_(False), processor
        self.policy, self.notes = policy_of(policy), (f"policy={policy}",)
        wanted, given = model.config.prompt_encoder_config.image_size, processor.target_size
        if wanted != given:
            raise IsegmError(
                f"the model takes images of {wanted} pixels, its processor makes {given}; they are"
                " not of one model, fetch both again"
            )

    def encode(self, image: np.ndarray) -> Encoded:
        try:
            inputs = self.processor(
                images=image, input_data_format="channels_last", return_tensors="pt"
            )
        except (ValueError, RuntimeError) as error:
            raise IsegmError(
                f"{self.PROCESSOR} cannot resize an image of {image.shape[0]} rows and"
                f" {image.shape[1]} columns ({str(error).splitlines()[0]}); crop it to a shape that"
                " is less long"
            ) from None
        pixels = inputs["pixel_values"].to(self._device())
        return Encoded(self.embeddings(pixels), self.shown(inputs))

    def answer(self, asked: Sequence[Asked]) -> list[Answered]:
        groups: dict[Hashable, list[int]] = {}
        for i, each in enumerate(asked):
            groups.setdefault((len(each.clicks), each.state is None), []).append(i)
        answers: dict[int, Answered] = {}
        for indices in groups.values():
            answers |= zip(indices, self._pass([asked[i] for i in indices]), strict=True)
        return [answers[i] for i in range(len(asked))]

    def embeddings(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """The vision encoder's output for ``1 3 h w``."""
        return (self.network.get_image_embeddings(pixels),)

    def decoded(self, embeddings: tuple[Tensor, ...], **prompts: Any) -> Any:
        """The library's output for ``B`` images; ``prompts`` are its arguments."""
        return self.network(image_embeddings=embeddings[0], **prompts)

    def shown(self, inputs: Any) -> tuple[int, int]:
        """See ``Encoded``; here the image is stretched to the whole input."""
        return tuple(inputs["pixel_values"].shape[-2:])

    def enlarged(self, logits: Tensor, size: tuple[int, int], shown: tuple[int, int]) -> Tensor:
        """``1 1 h w`` low-resolution logits at the size of the image."""
        return self.processor.post_process_masks([logits], [size], binarize=False)[0]

    def _pass(self, asked: Sequence[Asked]) -> list[Answered]:
        encodings = [each.encoding for each in asked]
        device = self._device()
        columns = zip(*(encoded.embeddings for encoded in encodings), strict=True)
        points = [[_placed(each, encoded)] for each, encoded in zip(asked, encodings, strict=True)]
        labels = [[[LABELS[click.positive] for click in each.clicks]] for each in asked]
        masks = None if asked[0].state is None else torch.cat([each.state for each in asked])
        output = self.decoded(
            tuple(torch.cat(tensors) for tensors in columns),
            input_points=torch.tensor(points, dtype=torch.float32, device=device),
            input_labels=torch.tensor(labels, dtype=torch.int64, device=device),
            input_masks=masks,
            multimask_output=self.policy.asks_for_three(len(asked[0].clicks)),
        )
        answers = []
        for each, encoded, logits, scores in zip(
            asked, encodings, output.pred_masks, output.iou_scores, strict=True
        ):
            best = int(scores[0].argmax())
            taken = logits[:1, best : best + 1].float()  # 1 1 h w
            full = self.enlarged(taken, each.size, encoded.shown)
            answers.append(Answered(full[0, 0], taken.clone() if self.policy.logits else None))
        return answers

    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


class Stabilised(Promptable):
    """A family whose decoder, asked for one mask, may take the best of three instead if the one is
    not stable. Both are in use, so it is a setting and in the label; on is the library's default.

    Args:
        stability: whether it may.
    """

    def __init__(
        self, model: nn.Module, processor: Any, policy: str = USUAL, stability: bool = True
    ) -> None:
        super().__init__(model, processor, policy)
        if not isinstance(stability, bool):
            raise IsegmError(f"stability is {stability!r:.60}; expected true or false")
        model.mask_decoder.dynamic_multimask_via_stability = stability
        self.notes += (f"stability={'on' if stability else 'off'}",)

    def embeddings(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network.get_image_embeddings(pixels))

    def decoded(self, embeddings: tuple[Tensor, ...], **prompts: Any) -> Any:
        return self.network(image_embeddings=list(embeddings), **prompts)


def _placed(asked: Asked, encoded: Encoded) -> list[list[float]]:
    """The clicks as (x, y) in the pixels of the encoder's input."""
    down, across = (shown / side for shown, side in zip(encoded.shown, asked.size, strict=True))
    return [[click.x * across, click.y * down] for click in asked.clicks]
