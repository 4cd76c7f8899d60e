"""Losses of several answers of one rollout."""

import dataclasses

import numpy as np
import pytest
import torch

from isegm.core.clicks import Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import spec
from isegm.core.rounds import Round
from isegm.methods import emc_click, ritm
from isegm.training.click_losses import IterativeClickLoss
from isegm.training.corrections import next_clicks
from isegm.training.experiment import Training
from isegm.training.learner import Learner
from isegm.training.optimisation import SGD, Constant
from isegm.training.rollout import evaluating
from isegm.training.users.iterative import Iterative
from isegm.utils.processes import Process

WEIGHTS = (1.0, 2.0, 0.5)


@pytest.fixture
def batch():
    torch.manual_seed(0)
    target = torch.zeros(4, 1, 64, 96)
    for i in range(4):
        target[i, 0, 8 + 4 * i : 40, 20 : 60 + 5 * i] = 1
    noise = torch.randint(0, 190, (4, 3, 64, 96))
    return {
        "image": (60 * target.expand(-1, 3, -1, -1) + noise).to(torch.uint8),
        "target": target,
        "yx": torch.tensor([[[30.0, 40.0]]] * 4, dtype=torch.float64),
        "label": torch.tensor([[1]] * 4),
        "seed": torch.tensor([5, 6, 0, 7]),
    }


def learner(model, losses=None, **train) -> Learner:
    training = Training(batch_size=4, **train)
    parts = SGD(lr=1e-9), Constant(), Iterative()  # the weights stay as they are
    return Learner(model, training, *parts, Process(), losses)


def small():
    torch.manual_seed(0)
    return ritm.tiny()


def grads(model):
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def by_hand(model, batch, weights):
    """The weighted sum as one graph: the clicks and masks of each answer, then one backward."""
    image, target = batch["image"].float() / 255, batch["target"]
    clicks, seeds = Clicks(batch["yx"], batch["label"]), batch["seed"].tolist()
    round_ = Round(image, clicks, torch.zeros_like(target), seeds=tuple(seeds))
    rounds = [round_]
    with torch.no_grad(), evaluating(model):
        for index in range(len(weights) - 1):
            prob = model(round_).logits.sigmoid()
            rngs = [np.random.default_rng([seed, index]) for seed in seeds]
            round_ = dataclasses.replace(
                round_,
                clicks=round_.clicks.append(*next_clicks(prob, target, rngs)),
                prev_prob=prob,
                fresh_view=False,
            )
            rounds.append(round_)
    total = 0
    for weight, shown in zip(weights, rounds, strict=True):
        total = total + weight * sum(model.losses(model(shown), target, shown).values())
    total.backward()
    return total.item()


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_gradients_are_those_of_the_weighted_sum(batch, rounds):
    plain, model = small(), small()
    torch.manual_seed(1)  # of dropout
    expected = by_hand(plain, batch, WEIGHTS[: rounds + 1])
    own = learner(model, IterativeClickLoss(WEIGHTS))
    torch.manual_seed(1)
    learned = own.learn(batch, rounds)
    own.close()
    assert float(learned.losses["loss"]) == pytest.approx(expected, rel=1e-5)
    assert learned.round_.clicks.label.shape[1] == 1 + rounds, "the last round is the one to show"
    wanted, made = grads(plain), grads(model)
    assert wanted.keys() == made.keys()
    for name, grad in wanted.items():
        assert torch.allclose(grad, made[name], rtol=1e-3, atol=1e-6), name


def test_the_last_answer_alone_is_the_plain_step(batch):
    plain, model = small(), small()
    for network, losses in ((plain, None), (model, IterativeClickLoss((0.0, 0.0, 1.0)))):
        own = learner(network, losses)
        torch.manual_seed(1)
        own.learn(batch, 2)
        own.close()
    assert all(torch.equal(grad, grads(model)[name]) for name, grad in grads(plain).items())


def test_micro_batches_add_up(batch):
    made = []
    for part in (None, 2):
        torch.manual_seed(0)
        own = learner(emc_click.tiny().eval(), IterativeClickLoss(), micro_batch=part)
        made.append(own.learn(batch, 2).losses)
        own.close()
    assert made[0].keys() == made[1].keys()
    for name, value in made[0].items():
        assert float(value) == pytest.approx(float(made[1][name]), rel=1e-4)


def test_one_weight_per_answer():
    assert IterativeClickLoss().of(1) == (1,)
    assert IterativeClickLoss().of(3) == (1, 2, 3)
    assert IterativeClickLoss([1, 2]).of(4) == (1, 2, 2, 2)


@pytest.mark.parametrize("weights", [[], [1, -1], [1, 0], [float("nan")]])
def test_wrong_weights_are_refused(weights):
    with pytest.raises(IsegmError, match="expected numbers from 0, the last one above 0"):
        IterativeClickLoss(weights)


def test_it_trains_end_to_end_and_resumes(trainer_of):
    losses = spec(IterativeClickLoss, weights=[1, 2, 3])
    folder = trainer_of(click_losses=losses, run={"name": "icl"}).fit()
    whole = torch.load(folder / "checkpoints" / "last_checkpoint.pth", weights_only=True)
    assert whole["experiment"]["train"]["click_losses"]["args"] == {"weights": [1, 2, 3]}
    half = trainer_of(click_losses=losses, max_steps=3, run={"name": "half"}).fit()
    run = {"name": "half", "resume": str(half)}
    again = trainer_of(click_losses=losses, run=run).fit()
    resumed = torch.load(again / "checkpoints" / "last_checkpoint.pth", weights_only=True)
    assert all(torch.equal(value, resumed["model"][name]) for name, value in whole["model"].items())
