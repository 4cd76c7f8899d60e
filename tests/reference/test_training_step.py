"""The plain step that speed is measured against learns the same as the trainer's."""

import numpy as np
import pytest
import torch

from isegm.methods import ritm
from isegm.reference.training_step import sequential_clicks, sequential_step
from isegm.reference.twin import slow_twin
from isegm.training.corrections import next_clicks
from isegm.training.experiment import Training
from isegm.training.learner import Learner
from isegm.training.optimisation import Adam, Constant
from isegm.training.users.iterative import Iterative
from isegm.utils.processes import Process


@pytest.fixture
def batch():
    torch.manual_seed(0)
    target = torch.zeros(4, 1, 64, 96)
    for i in range(4):
        target[i, 0, 8 + 4 * i : 40, 20 : 60 + 5 * i] = 1
    return {
        "image": (60 * target.expand(-1, 3, -1, -1) + torch.randint(0, 190, (4, 3, 64, 96))).to(
            torch.uint8
        ),
        "target": target,
        "yx": torch.tensor([[[30.0, 40.0], [2.0, 5.0]]] * 4, dtype=torch.float64),
        "label": torch.tensor([[1, 0], [1, -1], [1, 0], [1, -1]]),
        "seed": torch.tensor([5, 2**40, 0, 7]),
    }


@pytest.mark.parametrize("rounds", [0, 2])
def test_a_step_is_the_same(batch, rounds):
    torch.manual_seed(0)
    model = ritm.tiny()
    plain = slow_twin(model)
    optimizer = Adam(lr=5e-4).of(plain)
    learner = Learner(
        model, Training(batch_size=4), Adam(lr=5e-4), Constant(), Iterative(), Process()
    )
    for step in range(2):
        torch.manual_seed(step)  # of dropout
        expected = sequential_step(plain, optimizer, batch, rounds)
        torch.manual_seed(step)
        found = learner.learn(batch, rounds).losses
        assert {name: float(value) for name, value in found.items()} == pytest.approx(
            expected, rel=1e-4
        )
    learner.close()


def test_clicks_are_the_same(batch):
    coarse = torch.from_numpy(np.random.default_rng(0).random((4, 1, 8, 12), np.float32))
    prob = coarse.repeat_interleave(8, 2).repeat_interleave(8, 3)
    seeds = batch["seed"].tolist()
    rngs = [np.random.default_rng([seed, 3]) for seed in seeds]
    for expected, found in zip(
        sequential_clicks(prob, batch["target"], seeds, 3),
        next_clicks(prob, batch["target"], rngs),
        strict=True,
    ):
        assert torch.equal(expected, found)
