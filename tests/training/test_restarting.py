"""The restarting user: a round more for several positive clicks, and batches that begin anew."""

import numpy as np
import pytest
import torch

from isegm.core.clicks import POSITIVE, Clicks
from isegm.core.registry import spec
from isegm.training import learner as learner_module
from isegm.training.optimisation import Adam, AdamW
from isegm.training.rollout import first_clicks
from isegm.training.users.iterative import Iterative
from isegm.training.users.restarting import Restarting

USER = Restarting(max_rounds=3, restart=0.0)


def test_the_extra_round() -> None:
    few = [USER.rounds(5, step) for step in range(3000)]
    several = [USER.rounds(5, step, lambda: True) for step in range(3000)]
    assert np.abs(np.bincount(few, minlength=3) / 3000 - 1 / 3).max() < 0.03
    assert several == [rounds + 1 for rounds in few]
    plain = Iterative(max_rounds=3)
    assert plain.rounds(5, 7, lambda: True) == plain.rounds(5, 7)
    assert {Restarting(max_rounds=0).rounds(5, step, lambda: True) for step in range(9)} == {0}


def test_restarts_are_as_frequent_as_asked_and_repeatable() -> None:
    user = Restarting(restart=0.1)
    drawn = [user.restarts(3, step) for step in range(3000)]
    assert np.mean(drawn) == pytest.approx(0.1, abs=0.02)
    assert drawn == [user.restarts(3, step) for step in range(3000)]
    assert not any(Iterative().restarts(3, step) for step in range(100))


def test_first_clicks_lie_inside_the_objects(toy) -> None:
    items = [toy.Discs()[0, i] for i in range(6)]
    target = torch.stack([item["target"] for item in items])
    target[5] = 0
    clicks = first_clicks(target, Iterative(), list(range(6)))
    assert clicks.label.tolist() == [[1]] * 5 + [[-1]]
    for plane, (y, x) in zip(target[:5, 0], clicks.yx[:5, 0].long().tolist(), strict=True):
        assert plane[y, x] == 1
    assert not torch.equal(clicks.yx, first_clicks(target, Iterative(), list(range(10, 16))).yx)


def batches_of(monkeypatch: pytest.MonkeyPatch, trainer) -> list[tuple[Clicks, int]]:
    """The clicks and the number of rounds of every training step."""
    seen = []
    real = learner_module.played

    def watched(model, image, target, clicks, user, seeds, rounds, pool):
        seen.append((clicks, rounds))
        return real(model, image, target, clicks, user, seeds, rounds, pool)

    monkeypatch.setattr(learner_module, "played", watched)
    trainer.fit()
    return seen


def test_a_batch_that_begins_anew(trainer_of, monkeypatch: pytest.MonkeyPatch) -> None:
    for clicks, rounds in batches_of(
        monkeypatch, trainer_of(epochs=1, user=spec(Restarting, restart=1.0))
    ):
        assert rounds == 0
        assert clicks.label.tolist() == [[POSITIVE]] * 4


def test_one_sample_with_a_single_click_is_enough_to_withhold_the_round(
    trainer_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of(epochs=1, user=spec(Restarting, max_rounds=1, restart=0.0))
    original = type(trainer.data.train).__getitem__

    def clicked(self, key):
        item = original(self, key)
        if key[1] != 5:  # position 5 is in the second batch of four
            item["label"][1] = POSITIVE
        return item

    monkeypatch.setattr(type(trainer.data.train), "__getitem__", clicked)
    assert [rounds for _, rounds in batches_of(monkeypatch, trainer)] == [1, 0, 1, 1]


def test_adam_and_adamw(toy) -> None:
    model = toy.Toy()
    assert type(Adam(lr=1e-3).of(model)) is torch.optim.Adam
    decayed = AdamW(lr=1e-3, weight_decay=0.01).of(model)
    assert type(decayed) is torch.optim.AdamW
    assert {group["weight_decay"] for group in decayed.param_groups} == {0.01}
    assert sorted(group["lr"] for group in decayed.param_groups) == [5e-4, 1e-3]
