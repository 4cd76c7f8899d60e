"""ClickAttention: networks that cannot be built, and views of odd sizes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from golden_heads import CLICKS, golden_array, golden_clicks

from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.core.rounds import Round
from isegm.methods.click_attention import click_attention, tiny
from isegm.nn.heads.segformer import segformer_head


class TestMistakes:
    def test_unknown_use(self) -> None:
        with pytest.raises(IsegmError, match="did you mean paper"):
            build(click_attention("tiny", "papers", width=16))

    @pytest.mark.parametrize("stages", [(4, 2), (0,), (2, 2)])
    def test_stages(self, stages: tuple[int, ...]) -> None:
        with pytest.raises(IsegmError, match="expected some of 1, 2, 3 and 4"):
            build(click_attention("tiny", stages=stages, width=16))

    def test_head(self) -> None:
        made = click_attention("tiny", width=16)
        made["args"]["head"] = segformer_head("b0")
        with pytest.raises(IsegmError, match=r"head\.in_channels is \[32, 64, 160, 256\]"):
            build(made)

    def test_odd_and_oblong_views(self) -> None:
        image = golden_array("image", (1, 3, 128, 128))
        prev = golden_array("prev", (1, 1, 128, 128))
        round_ = Round(image, golden_clicks([CLICKS]), prev)
        oblong = dataclasses.replace(
            round_, image=round_.image[..., :75, :], prev_prob=round_.prev_prob[..., :75, :]
        )
        with torch.no_grad():
            pred = tiny().eval()(oblong)
        thin = dataclasses.replace(
            round_, image=round_.image[..., :20, :], prev_prob=round_.prev_prob[..., :20, :]
        )
        with torch.no_grad():
            assert tiny().eval()(thin).logits.shape == (1, 1, 20, 128)
        assert pred.logits.shape == (1, 1, 75, 128)
        assert pred.aux["attention_2"].shape == (1, 1, 10, 16)
