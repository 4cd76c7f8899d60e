"""What every method promises, checked on the ``tiny()`` of every module in ``isegm.methods``."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil

import pytest
import torch
from torch import Tensor

import isegm.methods
from isegm.core.clicks import PADDING, Clicks
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel
from isegm.nn.sync_norms import synchronized

SIZE = (64, 80)


def _methods() -> list:
    modules = [
        importlib.import_module(f"isegm.methods.{info.name}")
        for info in pkgutil.iter_modules(isegm.methods.__path__)
    ]
    return [
        pytest.param(module.tiny, id=module.__name__.rpartition(".")[2])
        for module in modules
        if hasattr(module, "tiny")
    ]


@pytest.fixture(params=_methods())
def model(request) -> ClickModel:
    torch.manual_seed(0)
    return settled(request.param())


def settled(model: ClickModel) -> ClickModel:
    """A fresh network in eval mode whose batch statistics fit its input, so that it answers more
    than a constant.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # a plain average over the rounds that follow
    model.train()
    with torch.no_grad():
        for seed in range(3):
            model(round_of([[1, 0, 1], [1, -1, -1]], seed))
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.add_(
                0.1
            )  # pooled vectors hardly vary between random images; do not blow up rounding errors
    return model.eval()


def round_of(labels: list[list[int]], seed: int = 0) -> Round:
    """A round with a random image, random clicks of these labels (-1: padding) and a previous mask
    that is not zero.
    """
    rng = torch.Generator().manual_seed(seed)
    label = torch.tensor(labels, dtype=torch.int64)
    yx = torch.rand(*label.shape, 2, generator=rng, dtype=torch.float64) * torch.tensor(SIZE)
    batch = len(labels)
    return Round(
        torch.rand(batch, 3, *SIZE, generator=rng),
        Clicks(yx, label),
        0.1 + 0.8 * torch.rand(batch, 1, *SIZE, generator=rng),
    )


def row(round_: Round, index: int) -> Round:
    rows = slice(index, index + 1)
    clicks = Clicks(round_.clicks.yx[rows], round_.clicks.label[rows])
    return dataclasses.replace(
        round_, image=round_.image[rows], clicks=clicks, prev_prob=round_.prev_prob[rows]
    )


def target() -> Tensor:
    """Two boxes with a ring of ignored pixels."""
    target = torch.zeros(2, 1, *SIZE)
    target[:, :, 14:44, 14:54] = -1
    target[:, :, 16:40, 16:50] = 1
    return target


def same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def answer(model: ClickModel, round_: Round) -> Tensor:
    return model.infer(round_).logits


def test_the_answer_has_the_size_of_the_image_and_is_float32(model: ClickModel) -> None:
    round_ = round_of([[1, 0], [1, 1]])
    logits = answer(model, round_)
    assert logits.shape == (2, 1, *SIZE)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()
    assert logits.std() > 0  # else nothing below would mean anything


def test_synchronized_norms_change_no_answer(model: ClickModel) -> None:
    """With the statistics of one process; torch's own conversion loses timm's activations."""
    round_ = round_of([[1, 0], [1, 1]])
    expected, weights = answer(model, round_), dict(model.named_parameters())
    norms = sum(isinstance(part, torch.nn.BatchNorm2d) for part in model.modules())
    changed = synchronized(model)
    assert torch.equal(answer(changed, round_), expected)
    assert sum(isinstance(part, torch.nn.SyncBatchNorm) for part in changed.modules()) == norms
    assert all(value is weights[name] for name, value in changed.named_parameters())


def test_odd_image_sizes_work(model: ClickModel) -> None:
    round_ = round_of([[1]])
    odd = dataclasses.replace(
        round_, image=round_.image[..., :61, :75], prev_prob=round_.prev_prob[..., :61, :75]
    )
    assert answer(model, odd).shape == (1, 1, 61, 75)


def test_clicks_matter(model: ClickModel) -> None:
    round_ = round_of([[1, 0]])
    opposite = Clicks(round_.clicks.yx, 1 - round_.clicks.label)
    assert not torch.equal(
        answer(model, round_), answer(model, dataclasses.replace(round_, clicks=opposite))
    )


def test_padding_changes_nothing(model: ClickModel) -> None:
    round_ = round_of([[1, 0], [1, 1]])
    yx = torch.tensor(
        [[[30.0, 40.0], [0.0, 0.0]], [[10.0, 10.0], [500.0, -7.0]]], dtype=torch.float64
    )
    padded = round_.clicks.append(yx, torch.full((2, 2), PADDING))
    assert torch.equal(
        answer(model, round_), answer(model, dataclasses.replace(round_, clicks=padded))
    )


def test_a_batch_answers_as_its_samples_do(model: ClickModel) -> None:
    round_ = round_of([[1, 0, 1], [1, -1, -1], [0, 1, -1]])
    together = answer(model, round_)
    for i in range(3):
        assert same(together[i : i + 1], answer(model, row(round_, i)))


def test_unequal_click_counts_answer_as_without_padding(model: ClickModel) -> None:
    round_ = round_of([[1, 0, 1], [1, -1, -1]])
    alone = row(round_, 1)
    short = dataclasses.replace(alone, clicks=alone.clicks.first(1))
    assert same(answer(model, round_)[1:], answer(model, short))


def test_no_click_at_all_is_allowed(model: ClickModel) -> None:
    nothing = round_of([[]])
    assert answer(model, nothing).isfinite().all()
    only_padding = dataclasses.replace(nothing, clicks=nothing.clicks.padded(2))
    assert torch.equal(answer(model, nothing), answer(model, only_padding))


def test_answering_leaves_the_round_and_the_model_unchanged(model: ClickModel) -> None:
    round_ = round_of([[1, 0]])
    given = [
        t.clone() for t in (round_.image, round_.clicks.yx, round_.clicks.label, round_.prev_prob)
    ]
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    first = answer(model, round_)
    answer(model, round_of([[1, 1, 0]], seed=1))
    assert torch.equal(first, answer(model, round_))
    for before, after in zip(
        given, (round_.image, round_.clicks.yx, round_.clicks.label, round_.prev_prob), strict=True
    ):
        assert torch.equal(before, after)
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


def _losses(model: ClickModel) -> dict[str, Tensor]:
    round_ = round_of([[1, 0, 1], [1, -1, -1]])
    pred = model(round_)
    assert isinstance(pred, Prediction)
    return model.losses(pred, target(), round_)


def test_losses_are_named_finite_scalars(model: ClickModel) -> None:
    losses = _losses(model.train())
    assert losses
    for name, loss in losses.items():
        assert loss.shape == (), name
        assert loss.dtype == torch.float32, name
        assert loss.isfinite(), name


def test_every_trained_parameter_gets_a_gradient(model: ClickModel) -> None:
    sum(_losses(model.train()).values()).backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
    zero = [name for name, p in model.named_parameters() if p.requires_grad and not p.grad.any()]
    assert not zero
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def test_a_few_steps_lower_the_loss(model: ClickModel) -> None:
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    history = []
    for _ in range(8):
        loss = sum(_losses(model).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(loss.detach()))
    assert history[-1] < 0.8 * history[0]


def test_every_parameter_has_a_learning_rate(model: ClickModel) -> None:
    factors = {name: model.lr_multiplier(name) for name, _ in model.named_parameters()}
    assert all(factor > 0 for factor in factors.values())


def test_bfloat16_autocast_answers_in_float32(model: ClickModel) -> None:
    round_ = round_of([[1, 0]])
    with torch.autocast("cpu", torch.bfloat16):
        low = answer(model, round_)
    assert low.dtype == torch.float32
    high = answer(model, round_)
    assert (low - high).abs().mean() < 0.1 * high.abs().mean() + 0.05


def test_weights_make_the_same_answer_in_another_instance(model: ClickModel) -> None:
    round_ = round_of([[1, 0]])
    other = importlib.import_module(type(model).__module__).tiny()
    other.load_state_dict(model.state_dict())
    assert torch.equal(answer(model, round_), answer(other.eval(), round_))
