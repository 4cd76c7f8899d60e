"""The slow twin of a network: the same answers, computed in the obviously right way."""

from __future__ import annotations

import copy

from isegm.methods.base import ClickModel
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.distances import Distances
from isegm.reference.click_maps import SlowDisks, SlowDistances

SLOW = {Disks: SlowDisks, Distances: SlowDistances}


def slow_twin(model: ClickModel) -> ClickModel:
    """A copy of a network whose click maps are computed for whole images."""
    twin = copy.deepcopy(model)
    parts = [(name, part) for name, part in twin.named_modules() if type(part) in SLOW]
    for name, part in parts:
        parent, _, attribute = name.rpartition(".")
        slow = SLOW[type(part)](part.radius).train(part.training)
        setattr(twin.get_submodule(parent), attribute, slow)
    return twin
