"""Arguments of a model spec that ``--set model.key=value`` changes."""

from __future__ import annotations

import pytest

from isegm.core.errors import IsegmError
from isegm.core.registry import build, spec
from isegm.methods.ritm import ritm_hrnet, with_loss
from isegm.methods.simpleclick import simpleclick
from isegm.nn.losses.focal import FocalLoss
from isegm.utils.overrides import override_spec


def test_arguments_that_the_spec_gives_and_those_it_leaves_to_their_defaults() -> None:
    described = simpleclick("tiny", 64)
    assert "layer_decay" not in described["args"]
    changed = override_spec(described, {"layer_decay": 0.75, "head.dropout": 0.2, "backbone.depth": 12})
    model = build(changed)
    assert (model.layer_decay, model.head.dropout.p, len(model.backbone.blocks)) == (0.75, 0.2, 12)
    assert "layer_decay" not in described["args"]


@pytest.mark.parametrize(
    ("key", "nearest"), [("layer_deca", "layer_decay"), ("head.dropot", "head.dropout"), ("heed.dropout", "head.width")]
)
def test_unknown_ones_name_the_nearest(key: str, nearest: str) -> None:
    with pytest.raises(IsegmError, match=f"unknown key in section model '{key}'; did you mean .*{nearest}"):
        override_spec(simpleclick("tiny", 64), {key: 1})


def test_arguments_that_are_handed_on_must_be_in_the_spec() -> None:
    described = with_loss(ritm_hrnet(width=8, depth="tiny", ocr_width=16), spec(FocalLoss))
    assert build(override_spec(described, {"loss.gamma": 3.0, "prev_mask": True})).instance_loss.gamma == 3
    with pytest.raises(IsegmError, match="'ritm'"):
        override_spec(described, {"ritm": 1})
