"""The patient user: more rounds, fewer of them likely, the side by chance, and a state in part."""

import numpy as np
import pytest
import torch

from isegm.core.clicks import NEGATIVE, PADDING, POSITIVE, Click, Clicks
from isegm.core.errors import IsegmError
from isegm.methods.emc_click import tiny
from isegm.training.rollout import rollout
from isegm.training.users.iterative import Iterative
from isegm.training.users.patient import Patient

USER = Patient(max_rounds=23, round_decay=0.8)


def test_rounds_are_geometric() -> None:
    drawn = np.array([USER.rounds(3, step) for step in range(6000)])
    weights = 0.8 ** np.arange(24)
    expected = weights / weights.sum()
    assert expected[0] == pytest.approx(0.2009, abs=1e-4)
    assert np.abs(np.bincount(drawn, minlength=24) / 6000 - expected).max() < 0.02
    assert drawn.mean() == pytest.approx(3.886, abs=0.2)
    assert drawn.tolist() == [USER.rounds(3, step) for step in range(6000)]


def test_the_iterative_user_draws_evenly() -> None:
    plain = Iterative(max_rounds=3)
    expected = [int(np.random.default_rng([7, step]).integers(4)) for step in range(50)]
    assert [plain.rounds(7, step) for step in range(50)] == expected


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.0, 1.5])
def test_decays_that_are_none(decay: float) -> None:
    with pytest.raises(IsegmError, match="round_decay"):
        Patient(round_decay=decay)


def squares(missed: int, extra: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An answer and a target, ``1 1 40 80``: a missed square on the left and one taken for object
    on the right.
    """
    prob, target = torch.zeros(1, 1, 40, 80), torch.zeros(1, 1, 40, 80)
    target[..., 2 : 2 + missed, 2 : 2 + missed] = 1
    prob[..., 2 : 2 + extra, 42 : 42 + extra] = 1
    return prob, target


def sides(prob: torch.Tensor, target: torch.Tensor, count: int = 600) -> np.ndarray:
    rngs = [np.random.default_rng(seed) for seed in range(count)]
    _, label = USER.next_clicks(
        prob.expand(count, -1, -1, -1), target.expand(count, -1, -1, -1), rngs
    )
    return label.numpy()


def test_the_side_is_drawn_by_depth() -> None:
    label = sides(*squares(19, 13))  # 10 deep and 7 deep
    assert set(label) == {POSITIVE, NEGATIVE}
    assert (label == POSITIVE).mean() == pytest.approx(10 / 17, abs=0.06)


def test_a_side_less_than_half_as_deep_gets_no_click() -> None:
    label = sides(*squares(31, 9))  # 16 deep and 5 deep: nothing there is deeper than 8
    assert set(label) == {POSITIVE, PADDING}
    assert (label == PADDING).mean() == pytest.approx(5 / 21, abs=0.06)


def test_nothing_wrong_gives_padding() -> None:
    assert set(sides(*squares(0, 0), count=5)) == {PADDING}


def test_the_pixel_is_deep() -> None:
    prob, target = squares(19, 13)
    rngs = [np.random.default_rng(seed) for seed in range(100)]
    yx, label = USER.next_clicks(prob.expand(100, -1, -1, -1), target.expand(100, -1, -1, -1), rngs)
    for (y, x), side in zip(yx.tolist(), label.tolist(), strict=True):
        first, last = (2, 20) if side == POSITIVE else (42, 54)
        depth = 1 + min(y - 2, last - first + 2 - y, x - first, last - x)
        assert depth > 5


def emc_rollout(rounds: int) -> tuple:
    torch.manual_seed(0)
    model = tiny().train()
    calls = []
    model.backbone.register_forward_hook(lambda *_: calls.append(1))
    target = torch.zeros(2, 1, 48, 64)
    target[..., 10:30, 10:40] = 1
    clicks = Clicks.cat(
        [Clicks.of([Click(20, 20, True), Click(15, 35, True)]), Clicks.of([Click(20, 25, True)])]
    )
    image = torch.rand(2, 3, 48, 64)
    return model, calls, rollout(model, image, target, clicks, USER, [1, 2], rounds), target


def test_corrections_are_played_with_kept_features() -> None:
    model, calls, round_, target = emc_rollout(4)
    assert len(calls) == 1
    assert round_.initial_clicks == 2
    assert round_.clicks.label.shape[1] == 6
    assert round_.state.context is None
    assert not round_.state.logits.requires_grad
    pred = model(round_)
    assert len(calls) == 2, "in the round that is learnt from the base runs again"
    losses = model.losses(pred, target, round_)
    assert set(losses) == {"instance", "base", "aux"}
    sum(losses.values()).backward()
    assert model.backbone.conv1.weight.grad.any()
    assert model.refiner.image_conv2.conv1x1.weight.grad.any()


def test_without_rounds_there_is_no_state() -> None:
    _, calls, round_, _ = emc_rollout(0)
    assert (len(calls), round_.state, round_.initial_clicks) == (0, None, 2)
