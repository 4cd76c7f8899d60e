"""What ``ClickModel`` does for methods that do not say otherwise, tried on every method."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest
from torch import nn

import isegm.methods
from isegm.core.errors import IsegmError
from isegm.methods.base import ClickModel

MODULES = [
    importlib.import_module(f"isegm.methods.{info.name}")
    for info in pkgutil.iter_modules(isegm.methods.__path__)
]
METHODS = [
    pytest.param(module, id=module.__name__.rpartition(".")[2])
    for module in MODULES
    if hasattr(module, "tiny")
]


@pytest.mark.parametrize("method", METHODS)
def test_pretrained_weights_reach_the_backbone(
    method: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, loaded = method.tiny(), []
    (backbone,) = (
        module for name, module in model.named_modules() if name.rpartition(".")[2] == "backbone"
    )
    monkeypatch.setattr(
        type(backbone), "load_pretrained", lambda part, path: loaded.append((part, path))
    )
    model.load_pretrained("imagenet.pth")
    assert loaded == [(backbone, "imagenet.pth")]


def test_without_a_backbone_that_can_there_are_no_pretrained_weights() -> None:
    bare, other = ClickModel(), ClickModel()
    other.backbone = nn.Identity()
    for model in (bare, other):
        with pytest.raises(
            IsegmError, match=r"ClickModel has no pretrained weights to load \(imagenet\.pth\)"
        ):
            model.load_pretrained("imagenet.pth")
