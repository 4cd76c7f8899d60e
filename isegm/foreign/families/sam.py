"""Segment Anything (Kirillov et al., ICCV 2023), through ``SamModel`` of transformers."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from isegm.foreign.families.base import Promptable


class Sam(Promptable):
    """The longest side is resized to 1024 pixels, the rest padded."""

    MODEL, PROCESSOR, TYPES = "SamModel", "SamProcessor", ("sam",)

    def shown(self, inputs: Any) -> tuple[int, int]:
        return tuple(int(side) for side in inputs["reshaped_input_sizes"][0])

    def enlarged(self, logits: Tensor, size: tuple[int, int], shown: tuple[int, int]) -> Tensor:
        whole = self.processor.post_process_masks([logits], [size], [shown], binarize=False)
        return whole[0]


FAMILY = Sam
