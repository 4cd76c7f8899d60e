"""HQ-SAM (Ke et al., NeurIPS 2023), through ``SamHQModel`` of transformers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.foreign.families.base import USUAL
from isegm.foreign.families.sam import Sam


class SamHQ(Sam):
    """SAM with a further token, which also sees early features of the encoder.

    Args:
        hq_only: answer with the further token alone, rather than the sum of both answers, which is
            the library's default.
    """

    MODEL, PROCESSOR, TYPES = "SamHQModel", "SamHQProcessor", ("sam_hq",)

    def __init__(
        self, model: nn.Module, processor: Any, policy: str = USUAL, hq_only: bool = False
    ) -> None:
        super().__init__(model, processor, policy)
        if not isinstance(hq_only, bool):
            raise IsegmError(f"hq_only is {hq_only!r:.60}; expected true or false")
        self.hq_only = hq_only
        self.notes += (f"hq_only={'yes' if hq_only else 'no'}",)

    def embeddings(self, pixels: Tensor) -> tuple[Tensor, ...]:
        last, early = self.network.get_image_embeddings(pixels)
        return (last, *early)

    def decoded(self, embeddings: tuple[Tensor, ...], **prompts: Any) -> Any:
        return self.network(
            image_embeddings=embeddings[0],
            intermediate_embeddings=list(embeddings[1:]),
            hq_token_only=self.hq_only,
            **prompts,
        )


FAMILY = SamHQ
