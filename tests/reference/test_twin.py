"""The slow twin of every method answers the same, bit for bit, and no spec can name its parts."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import torch
from golden import golden_round

import isegm.methods
from isegm.core.errors import IsegmError
from isegm.core.registry import resolve, spec
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.distances import Distances
from isegm.reference.click_maps import SlowDisks, SlowDistances
from isegm.reference.twin import slow_twin

NAMES = [info.name for info in pkgutil.iter_modules(isegm.methods.__path__)]
MODULES = [importlib.import_module(f"isegm.methods.{name}") for name in NAMES]
METHODS = [module for module in MODULES if hasattr(module, "tiny")]
DRAWN = {
    "fcanet": 0,
    "cdnet": 2,
    "focalclick": 2,
}  # maps of a twin that are computed slowly; else 1


@pytest.mark.parametrize("module", METHODS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_answers_are_equal_bit_for_bit(module) -> None:
    torch.manual_seed(0)
    model = module.tiny().eval()
    twin = slow_twin(model)
    slow = [part for part in twin.modules() if isinstance(part, (SlowDisks, SlowDistances))]
    assert len(slow) == DRAWN.get(module.__name__.rpartition(".")[2], 1)
    with torch.no_grad():
        assert torch.equal(model.infer(golden_round()).logits, twin.infer(golden_round()).logits)


def test_a_network_keeps_its_own_maps() -> None:
    model = METHODS[0].tiny()
    kinds = [type(part) for part in model.modules()]
    twin = slow_twin(model)
    assert [type(part) for part in model.modules()] == kinds
    assert twin.state_dict().keys() == model.state_dict().keys()
    assert not any(type(part) in (Disks, Distances) for part in twin.modules())


@pytest.mark.parametrize("target", ["isegm.reference.click_maps:SlowDisks", SlowDisks])
def test_no_spec_names_a_yardstick(target) -> None:
    with pytest.raises(IsegmError, match=r"refused.*yardstick"):
        spec(target, radius=5)
    with pytest.raises(IsegmError, match=r"refused.*yardstick"):
        resolve("isegm.reference.twin:slow_twin")
