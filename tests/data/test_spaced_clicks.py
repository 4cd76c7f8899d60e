"""Spaced clicks, and crops around an object."""

import numpy as np
import pytest

from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.augment import object_crop
from isegm.data.sampling.spaced import BORDER, FURTHEST, NEAREST, Spaced, distance_to, spaced_clicks
from isegm.utils.depth import squared_distance_inside

MOST = 10


def disc(height: int = 200, width: int = 240, radius: int = 60) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return (np.hypot(y - 90, x - 110) <= radius).astype(np.int8)


def least_distance(clicks: np.ndarray) -> float:
    gaps = np.hypot(*(clicks[:, None] - clicks[None]).transpose(2, 0, 1))
    return gaps[~np.eye(len(clicks), dtype=bool)].min() if len(clicks) > 1 else np.inf


def many(gt: np.ndarray, count: int = 200) -> list[tuple[np.ndarray, np.ndarray]]:
    return [spaced_clicks(gt, np.random.default_rng(seed), MOST) for seed in range(count)]


def test_the_first_click_is_the_centre() -> None:
    assert all(positive[0].tolist() == [90, 110] for positive, _ in many(disc(), 20))


def test_the_border_of_the_crop_is_background() -> None:
    gt = np.ones((41, 61), np.int8)
    positive, negative = spaced_clicks(gt, np.random.default_rng(0), MOST)
    assert positive[0].tolist() == [20, 20]
    assert len(negative) == 0


def test_distances() -> None:
    gt = disc()
    depth, outside = np.sqrt(squared_distance_inside(gt == 1)), distance_to(gt == 1)
    for positive, negative in many(gt, 60):
        others, (y, x) = positive[1:], negative.astype(int).T
        assert depth[tuple(others.astype(int).T)].min(initial=np.inf) > min(BORDER)
        assert least_distance(others) > 7
        assert (outside[y, x] > min(NEAREST)).all()
        assert (outside[y, x] < FURTHEST).all()
        assert least_distance(negative) > 10


def test_numbers() -> None:
    draws = many(disc(320, 320, 80), 80)
    assert {0, MOST} <= {len(negative) for _, negative in draws} <= set(range(MOST + 1))
    others = [len(positive) - 1 for positive, _ in draws]
    assert min(others) == 1
    assert max(others) == MOST


def test_thin_objects_have_the_first_click_alone() -> None:
    gt = np.zeros((64, 64), np.int8)
    gt[30:34, 5:60] = 1
    assert all(
        len(positive) == 1 and gt[tuple(positive[0].astype(int))] == 1
        for positive, _ in many(gt, 20)
    )


def test_ignored_pixels_are_neither() -> None:
    gt = disc()
    gt[gt == 0] = -1
    gt[:, 110:] = np.where(gt[:, 110:] == 1, -1, gt[:, 110:])
    for positive, negative in many(gt, 20):
        assert (gt[tuple(positive.astype(int).T)] == 1).all()
        assert len(negative) == 0


def test_draws_put_the_centre_first() -> None:
    layers = disc()[:, :, None].astype(np.uint8)
    sample = InstanceSample(np.zeros((200, 240, 3), np.uint8), layers, {0: ObjectInfo(0, 1)})
    sampler = Spaced()
    for seed in range(20):
        drawn = sampler.draw(sample, np.random.default_rng(seed))
        assert drawn.yx[0].tolist() == [90, 110]
        assert drawn.label.shape == (22,)
        assert set(drawn.label[:11]) <= {1, -1}
        assert set(drawn.label[11:]) <= {0, -1}
        assert np.array_equal(drawn.yx, sampler.draw(sample, np.random.default_rng(seed)).yx)
    few = Spaced(most=2).draw(sample, np.random.default_rng(1))
    assert (few.label[:3] == 1).sum() in (2, 3)


@pytest.mark.parametrize("crop", [(64, 64), (200, 150), (50, 300), (100, 300)])
def test_crops_show_an_object(crop: tuple[int, int]) -> None:
    image, layers = np.zeros((100, 300, 3), np.uint8), np.zeros((100, 300, 1), np.uint8)
    layers[40:60, 10:30], image[40:60, 10:30] = 1, 255
    sample, augment = InstanceSample(image, layers, {0: ObjectInfo(0, 1)}), object_crop(crop)
    shares = set()
    for seed in range(30):
        made = augment(sample, np.random.default_rng(seed))
        assert made.image.shape == (*crop, 3)
        assert made.layers.any()
        shares.add(int(made.layers.sum()))
        assert made.layers.sum() <= 400 * max(1, crop[0] / 100) ** 2 * 1.1
    if crop == (64, 64):
        assert len(shares) > 3, "the object is cut in different places"
        assert max(shares) == 400, "nothing is enlarged where the image is large enough"


def test_crops_without_any_object() -> None:
    empty = InstanceSample(np.zeros((100, 300, 3), np.uint8), np.zeros((100, 300, 1), np.uint8), {})
    assert object_crop((64, 64))(empty, np.random.default_rng(0)).image.shape == (64, 64, 3)
