"""A network prepared for fast evaluation answers as it did before, whatever its layers are;
otherwise it is refused.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest
import torch
from torch import nn

import isegm.methods
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Prediction, Round
from isegm.inference import speed
from isegm.inference.predictor import Predictor
from isegm.inference.views.whole_image import WholeImage
from isegm.methods import click_pyramid, ritm
from isegm.methods.base import ClickModel
from isegm.methods.click_pyramid import ClickPyramid
from isegm.nn.backbones.timm import TimmFeatures
from isegm.nn.heads.light_pyramid import LightPyramid


class Doubling(nn.BatchNorm2d):
    """A batch norm that does something more."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


def unlike_the_identity(model: ClickModel) -> ClickModel:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.5, 2)
    return model.eval()


def answer(model: ClickModel) -> torch.Tensor:
    predictor = Predictor(model, WholeImage())
    image = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    return predictor.click(predictor.start(image), Click(40, 50, True)).prob


def test_a_norm_that_holds_an_activation_is_folded_and_leaves_the_activation() -> None:
    torch.manual_seed(0)
    model = unlike_the_identity(click_pyramid.tiny())
    fast = speed.for_evaluation(model)
    norms = [m for m in fast.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) < 0.2 * sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    torch.testing.assert_close(answer(fast), answer(model), atol=1e-5, rtol=1e-4)


def test_a_norm_of_an_unknown_kind_stays() -> None:
    torch.manual_seed(0)
    model = unlike_the_identity(ritm.tiny())
    name, norm = next((n, m) for n, m in model.named_modules() if type(m) is nn.BatchNorm2d)
    special = Doubling(norm.num_features)
    special.load_state_dict(norm.state_dict())
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, special.eval())
    fast = speed.for_evaluation(model)
    assert any(isinstance(m, Doubling) for m in fast.modules())
    torch.testing.assert_close(answer(fast), answer(model), atol=1e-5, rtol=1e-4)


def test_an_answer_that_changes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def losing_activations(model: ClickModel, run: object) -> int:
        """What folding did once to every batch norm that holds an activation."""
        for module in model.modules():
            if isinstance(getattr(module, "act", None), nn.Module):
                module.act = nn.Identity()
        return 0

    monkeypatch.setattr(speed, "fold_batch_norms", losing_activations)
    torch.manual_seed(0)
    with pytest.raises(IsegmError, match=r"answers differently .*fold.*--as-is"):
        speed.for_evaluation(unlike_the_identity(click_pyramid.tiny()))


def test_the_model_itself_is_left_alone() -> None:
    torch.manual_seed(0)
    model = unlike_the_identity(click_pyramid.tiny())
    before = answer(model)
    speed.for_evaluation(model)
    assert torch.equal(answer(model), before)


NAMES = [f"isegm.methods.{info.name}" for info in pkgutil.iter_modules(isegm.methods.__path__)]
METHODS = [module for name in NAMES if hasattr(module := importlib.import_module(name), "tiny")]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.__name__.rpartition(".")[2])
def test_every_method_can_be_prepared_and_answers_the_same(method: ModuleType) -> None:
    torch.manual_seed(0)
    model = unlike_the_identity(method.tiny())
    fast = speed.for_evaluation(model)
    torch.testing.assert_close(answer(fast), answer(model), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_backbones_of_timm_are_compared_too_at_their_own_size(name: str) -> None:
    torch.manual_seed(0)
    backbone = TimmFeatures(name, image_size=64 if name.startswith("vit") else None)
    widths = (96,) * len(backbone.channels)
    head = LightPyramid(in_channels=list(backbone.channels), widths=widths, coords=3)
    model = unlike_the_identity(ClickPyramid(backbone, head))
    assert speed.for_evaluation(model, amp=True) is not model


class Sure(ClickModel):
    """So sure of its answer that the probability is 1 whatever its weight is."""

    def __init__(self, weight: float = 100.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, round_: Round) -> Prediction:
        return Prediction(self.weight + 0 * round_.prev_prob)


class InBfloat16(Sure):
    """Under autocast, and only there, it answers the opposite."""

    def forward(self, round_: Round) -> Prediction:
        logits = super().forward(round_).logits
        return Prediction(-logits if torch.is_autocast_enabled("cpu") else logits)


def test_a_change_that_only_logits_show_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "fold_batch_norms", lambda model, run: model.weight.data.mul_(0.5))
    with pytest.raises(IsegmError, match="logits by up to 50"):
        speed.for_evaluation(Sure())


def test_another_answer_under_autocast_is_refused() -> None:
    speed.for_evaluation(InBfloat16())
    with pytest.raises(IsegmError, match=r"differ by 1 on average.*without --bf16"):
        speed.for_evaluation(InBfloat16(), amp=True)


def test_an_answer_that_is_no_number_is_refused() -> None:
    with pytest.raises(IsegmError, match="with NaN or infinity"):
        speed.for_evaluation(Sure(float("nan")))
