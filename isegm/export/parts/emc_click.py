"""EMC-Click: the encoder is the base network, which sees the image and the first click; the decoder
is the correction network, which answers every click.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.export.parts.base import (
    FEATURES,
    IMAGE,
    LOGITS,
    POINTS,
    Graph,
    OnePass,
    round_of,
)
from isegm.inference.mirror import averaged, with_mirror
from isegm.methods.emc_click import EMCClick, filled_up

KEPT = ("context", "base_logits")  # what the encoder makes beside the image
STATE = ("state_logits", "has_state")


class EMCParts(OnePass):
    keeps_state: ClassVar[bool] = True
    identity: ClassVar[bool] = False
    initial_mask: ClassVar[bool] = False  # the first click is answered on the base's own mask

    def encoder(self) -> Graph:
        prompts = self.prompts()
        inputs = {IMAGE: torch.rand(1, 3, *self.size)} | {name: prompts[name] for name in POINTS}
        free = {IMAGE: self.plane, **{key: {1: "clicks"} for key in POINTS}}
        return Graph(_Base(self), inputs, free, (FEATURES, *KEPT))

    def decoder(self) -> Graph:
        encoder = self.encoder()
        with torch.no_grad():
            made = encoder.module(*encoder.inputs.values())
        kept = dict(zip((FEATURES, *KEPT), made, strict=True))
        lowest = torch.rand_like(kept["context"][:, :1])
        inputs = {**kept, **self.prompts(), STATE[0]: lowest, STATE[1]: torch.ones(1)}
        coarse, base = (
            {axis: f"{name}_{side}" for axis, side in self.plane.items()}
            for name in ("kept", "base")
        )
        free = {FEATURES: self.plane, KEPT[0]: coarse, KEPT[1]: base, **self.free_prompts()}
        free |= {STATE[0]: coarse, STATE[1]: {}}
        return Graph(_Correction(self), inputs, free, (LOGITS, "next_state_logits"))


class _Base(nn.Module):
    def __init__(self, parts: OnePass) -> None:
        super().__init__()
        self.network, self.mirror = parts.model, parts.mirror

    def forward(self, image: Tensor, coords: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        round_ = round_of(image, coords, labels)
        round_ = with_mirror(round_) if self.mirror else round_
        guesses, context = self.network.base_context(round_)
        return image, context, guesses["base"]


class _Correction(nn.Module):
    def __init__(self, parts: OnePass) -> None:
        super().__init__()
        self.network, self.mirror = parts.model, parts.mirror

    def forward(
        self,
        image: Tensor,
        context: Tensor,
        base: Tensor,
        coords: Tensor,
        labels: Tensor,
        mask: Tensor,
        has_mask: Tensor,
        state: Tensor,
        has_state: Tensor,
    ) -> tuple[Tensor, Tensor]:
        round_ = round_of(image, coords, labels, mask)
        round_ = with_mirror(round_) if self.mirror else round_
        frame = self.network.frame(tuple(image.shape[-2:]))
        first, again = (resize(logits, frame).sigmoid() for logits in (base, state))
        kept, given = (x.view(1, 1, 1, 1) > 0 for x in (has_state, has_mask))
        shown = filled_up(round_.prev_prob, frame)
        before = torch.where(kept, again, torch.where(given, shown, first))
        pred = self.network.correction(round_, before, context)
        pred = averaged(pred) if self.mirror else pred
        return pred.logits, pred.state.logits


METHOD, PARTS = EMCClick, EMCParts
