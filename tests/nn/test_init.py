from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from isegm.nn.clicks.fusion import Scale
from isegm.nn.init import xavier_gluon_


def test_weights_follow_both_fans_and_the_rest_is_the_identity() -> None:
    torch.manual_seed(0)
    conv, norm, scale = nn.Conv2d(64, 32, 3), nn.BatchNorm2d(32), Scale(0.05)
    nn.init.normal_(norm.weight)
    xavier_gluon_(nn.Sequential(conv, norm, scale))
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / ((64 + 32) * 9 / 2)), rel=0.02)
    assert conv.weight.mean().item() == pytest.approx(0, abs=2e-3)
    assert not conv.bias.any()
    assert (norm.weight == 1).all()
    assert scale.scale.item() == pytest.approx(0.05)
