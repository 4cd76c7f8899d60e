"""SegNext: the encoder is the backbone, which sees the image alone; the decoder answers clicks on
its features.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from isegm.export.parts.base import FEATURES, IMAGE, LOGITS, Graph, OnePass, round_of
from isegm.inference.mirror import averaged, with_mirror
from isegm.methods.base import ClickModel
from isegm.methods.segnext import SegNext


class SegNextParts(OnePass):
    identity: ClassVar[bool] = False
    one_size: ClassVar[bool] = True

    def __init__(self, model: ClickModel, mirror: bool, size: tuple[int, int], **_: bool) -> None:
        # How many windows there are, and how much is filled up, follows from the size.
        super().__init__(model, mirror, size, fixed=True)

    def graphs(self) -> dict[str, Graph]:
        return {"encoder": self.encoder(), **super().graphs()}

    def encoder(self) -> Graph:
        """The backbone; of the mirror image, too, if answers are averaged with it."""
        image = torch.rand(1, 3, *self.size)
        return Graph(_Backbone(self), {IMAGE: image}, {IMAGE: self.plane}, (FEATURES,))

    def decoder(self) -> Graph:
        encoder = self.encoder()
        with torch.no_grad():
            features = encoder.module(*encoder.inputs.values())
        tokens = {1: "token_rows", 2: "token_columns"} if self.plane else {}
        return Graph(
            _Decoder(self),
            {FEATURES: features, **self.prompts()},
            {FEATURES: tokens, **self.free_prompts()},
            (LOGITS,),
        )


class _Backbone(nn.Module):
    def __init__(self, parts: OnePass) -> None:
        super().__init__()
        self.network, self.mirror = parts.model, parts.mirror

    def forward(self, image: Tensor) -> Tensor:
        shown = torch.cat([image, image.flip(-1)]) if self.mirror else image
        return self.network.encode_image(shown)


class _Decoder(nn.Module):
    def __init__(self, parts: OnePass) -> None:
        super().__init__()
        self.network, self.mirror = parts.model, parts.mirror

    def forward(
        self, features: Tensor, coords: Tensor, labels: Tensor, mask: Tensor, has_mask: Tensor
    ) -> Tensor:
        shown = torch.where(has_mask.view(1, 1, 1, 1) > 0, mask, torch.zeros_like(mask))
        blank = torch.zeros_like(mask).expand(-1, 3, -1, -1)  # only its size is asked for
        round_ = round_of(blank, coords, labels, shown)
        round_ = replace(with_mirror(round_) if self.mirror else round_, features=features)
        pred = self.network.infer(round_)
        return (averaged(pred) if self.mirror else pred).logits


METHOD, PARTS = SegNext, SegNextParts
