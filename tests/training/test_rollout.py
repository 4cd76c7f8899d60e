"""The simulated user of training: known answers on hand-drawn errors, and determinism."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch

from isegm.core.clicks import Clicks
from isegm.training.corrections import next_clicks
from isegm.training.rollout import evaluating, rollout
from isegm.training.users.iterative import Iterative


def clicked(prob, target, seed=0):
    yx, label = next_clicks(prob[None, None], target[None, None], [np.random.default_rng(seed)])
    return tuple(yx[0].int().tolist()), int(label[0])


@pytest.fixture
def square():
    target = torch.zeros(20, 30)
    target[5:14, 8:17] = 1  # 9 x 9, deepest at (9, 12)
    return target


def test_a_missed_square_is_clicked_in_its_middle(square):
    found = {clicked(torch.zeros(20, 30), square, seed) for seed in range(200)}
    # deeper than 5 / 2 are the inner 5 x 5 pixels, each equally likely
    assert found == {((y, x), 1) for y in range(7, 12) for x in range(10, 15)}


def test_background_taken_for_object_gets_a_negative_click(square):
    assert {
        label for _, label in (clicked(square, torch.zeros(20, 30), seed) for seed in range(20))
    } == {0}


def test_the_deeper_error_wins_not_the_larger(square):
    prob = torch.zeros(20, 30)
    prob[17:20] = 1  # 90 extra pixels, 2 deep at most; 81 missed pixels, 5 deep
    assert clicked(prob, square)[1] == 1


def test_a_tie_is_negative():
    target, prob = torch.zeros(9, 20), torch.zeros(9, 20)
    target[2:7, 2:7], prob[2:7, 12:17] = 1, 1
    assert clicked(prob, target)[1] == 0


def test_nothing_wrong_gives_padding(square):
    assert clicked(square, square)[1] == -1


def test_probability_at_the_threshold_is_neither_missed_nor_extra(square):
    at = torch.full((20, 30), 0.49)
    assert clicked(at, square)[1] == -1


def test_ignored_pixels_count_as_background(square):
    assert clicked(torch.ones(20, 30), -torch.ones(20, 30))[1] == 0


def test_the_image_border_is_a_border():
    target = torch.zeros(21, 21)
    target[:, :11] = 1
    for seed in range(50):
        (y, x), _ = clicked(torch.zeros(21, 21), target, seed)
        assert 2 < x + 1 <= 8
        assert 2 < y + 1 <= 19


def test_bfloat16_probabilities_are_taken(square):
    assert clicked(torch.zeros(20, 30, dtype=torch.bfloat16), square)[1] == 1


def whole_image_click(prob, target, rng):
    """The rule written down plainly, without bounding boxes."""
    missed, extra = (target > 0.5) & (prob < 0.49), ~(target > 0.5) & (prob > 0.49)
    depth = [
        cv2.distanceTransform(np.pad(m, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
        for m in (missed, extra)
    ]
    positive = depth[0].max() > depth[1].max()
    chosen = depth[0] if positive else depth[1]
    where = np.argwhere(chosen > chosen.max() / 2)
    return tuple(where[rng.integers(len(where))]), int(positive)


@pytest.mark.parametrize("seed", range(12))
def test_cutting_to_the_bounding_box_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    blobs = [
        cv2.GaussianBlur(rng.standard_normal((45, 61)), (0, 0), 1 + seed % 5) > 0.05
        for _ in range(2)
    ]
    prob, target = (torch.from_numpy(blob.astype(np.float32)) for blob in blobs)
    expected = whole_image_click(prob.numpy(), target.numpy(), np.random.default_rng(seed))
    assert clicked(prob, target, seed) == expected


def batch(toy, count=4):
    items = [toy.Discs()[0, i] for i in range(count)]
    image = torch.stack([item["image"] for item in items]).float() / 255
    clicks = Clicks(torch.stack([i["yx"] for i in items]), torch.stack([i["label"] for i in items]))
    return (
        image,
        torch.stack([item["target"] for item in items]),
        clicks,
        [int(item["seed"]) for item in items],
    )


def same(a, b):
    return (
        torch.equal(a.clicks.yx, b.clicks.yx)
        and torch.equal(a.clicks.label, b.clicks.label)
        and torch.equal(a.prev_prob, b.prev_prob)
    )


def test_clicks_are_appended_and_the_answer_fed_back(toy):
    image, target, clicks, seeds = batch(toy)
    model = toy.Toy()
    round_ = rollout(model, image, target, clicks, Iterative(), seeds, rounds=2)
    assert torch.equal(round_.clicks.label[:, : clicks.label.shape[1]], clicks.label)
    assert round_.clicks.label.shape[1] == clicks.label.shape[1] + 2
    assert not round_.fresh_view
    assert round_.state is not None
    assert torch.equal(round_.prev_prob, round_.state.sigmoid())
    assert not round_.prev_prob.requires_grad


def test_no_rounds_leave_everything_as_sampled(toy):
    image, target, clicks, seeds = batch(toy)
    round_ = rollout(toy.Toy(), image, target, clicks, Iterative(), seeds, rounds=0)
    assert round_.clicks is clicks
    assert round_.fresh_view
    assert not round_.prev_prob.any()


def test_a_sample_plays_the_same_in_any_batch_and_with_threads(toy):
    image, target, clicks, seeds = batch(toy)
    model = toy.Toy()
    together = rollout(model, image, target, clicks, Iterative(), seeds, rounds=3)
    with ThreadPoolExecutor(3) as pool:
        assert same(together, rollout(model, image, target, clicks, Iterative(), seeds, 3, pool))
    alone = rollout(
        model,
        image[2:3],
        target[2:3],
        Clicks(clicks.yx[2:3], clicks.label[2:3]),
        Iterative(),
        seeds[2:3],
        3,
    )
    assert torch.equal(alone.clicks.yx[0], together.clicks.yx[2])


def test_other_seeds_play_otherwise(toy):
    image, target, clicks, seeds = batch(toy)
    model = toy.Toy()
    assert not same(
        rollout(model, image, target, clicks, Iterative(), seeds, 3),
        rollout(model, image, target, clicks, Iterative(), [seed + 1 for seed in seeds], 3),
    )


def test_every_module_gets_its_own_mode_back(toy):
    model = toy.Toy(norm=True).train()
    model.body[1].eval()  # a frozen normalisation layer
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    assert model.training
    assert not model.body[1].training


def test_rounds_are_uniform_and_follow_from_seed_and_step():
    drawn = [Iterative(max_rounds=3).rounds(7, step) for step in range(4000)]
    assert drawn == [Iterative(max_rounds=3).rounds(7, step) for step in range(4000)]
    counts = np.bincount(drawn, minlength=4) / 4000
    assert np.abs(counts - 0.25).max() < 0.03
