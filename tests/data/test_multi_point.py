"""The rules of the point sampler, as properties of many draws."""

import dataclasses

import cv2
import numpy as np
import pytest

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.sampling.draw import Draw
from isegm.data.sampling.multi_point import MultiPoint, count_probs

HEIGHT, WIDTH = 60, 80
PLAIN = MultiPoint(max_clicks=8, erode_prob=0.0)


def scene(
    *boxes: tuple[int, int, int, int], ignored: tuple[int, int, int, int] | None = None
) -> InstanceSample:
    """Boxes (top, left, bottom, right) with the labels 2, 4, 6 ... in one layer, an ignored box
    across them in another.
    """
    layers = np.zeros((HEIGHT, WIDTH, 2), np.uint8)
    for i, (top, left, bottom, right) in enumerate(boxes):
        layers[top:bottom, left:right, 0] = 2 * i + 2
    if ignored:
        top, left, bottom, right = ignored
        layers[top:bottom, left:right, 1] = 99
    objects = {i: ObjectInfo(0, 2 * i + 2) for i in range(len(boxes))}
    return InstanceSample(
        np.zeros((HEIGHT, WIDTH, 3), np.uint8), layers, objects, ((1, 99),) if ignored else ()
    )


def draws(sample: InstanceSample, config: MultiPoint, count: int = 300) -> list[Draw]:
    return [config.draw(sample, np.random.default_rng(seed)) for seed in range(count)]


def positives(drawn: Draw) -> np.ndarray:
    return drawn.yx[drawn.label == 1].astype(int)


def negatives(drawn: Draw) -> np.ndarray:
    return drawn.yx[drawn.label == 0].astype(int)


def at(array: np.ndarray, yx: np.ndarray) -> np.ndarray:
    return array[yx[:, 0], yx[:, 1]]


def test_shapes_order_and_padding() -> None:
    for drawn in draws(scene((10, 10, 40, 50)), PLAIN):
        n = PLAIN.max_clicks
        assert drawn.yx.shape == (2 * n, 2)
        assert drawn.yx.dtype == np.float64
        assert drawn.label.dtype == np.int64
        assert drawn.target.dtype == np.float32
        assert set(drawn.label[:n]) <= {1, -1}
        assert set(drawn.label[n:]) <= {0, -1}
        assert drawn.label[0] == 1
        assert (drawn.yx[drawn.label == -1] == -1).all()
        assert (drawn.yx[drawn.label != -1] >= 0).all()
        for half in (drawn.label[:n], drawn.label[n:]):  # padding comes last
            assert not (np.diff((half == -1).astype(int)) < 0).any()


def test_positives_lie_on_the_object_and_negatives_off_it() -> None:
    for drawn in draws(
        scene((10, 10, 40, 50), (5, 60, 30, 75)), dataclasses.replace(PLAIN, merge_prob=0.5)
    ):
        assert (at(drawn.target, positives(drawn)) == 1).all()
        assert (at(drawn.target, negatives(drawn)) == 0).all()


def test_no_click_falls_on_ignored_pixels() -> None:
    for drawn in draws(scene((10, 10, 40, 50), (5, 60, 30, 75), ignored=(15, 15, 45, 65)), PLAIN):
        assert (drawn.target == -1).sum() == 30 * 50
        assert (at(drawn.target, positives(drawn)) == 1).all()
        assert (at(drawn.target, negatives(drawn)) == 0).all()


def test_count_distributions() -> None:
    config = dataclasses.replace(PLAIN, max_clicks=4, gamma=0.5)
    assert np.allclose(count_probs(config, True), np.array([8, 4, 2, 1]) / 15)
    assert np.allclose(count_probs(config, False), np.array([16, 8, 4, 2, 1]) / 31)
    made = draws(scene((10, 10, 40, 50), (2, 60, 8, 70)), config, 2000)
    found = np.bincount([len(positives(d)) for d in made], minlength=5) / len(made)
    assert np.allclose(found[1:], count_probs(config, True), atol=0.035)
    found = np.bincount([len(negatives(d)) for d in made], minlength=5) / len(made)
    assert np.allclose(found, count_probs(config, False), atol=0.035)


def test_erosion_keeps_positives_inside_with_its_probability() -> None:
    box = (10, 10, 26, 26)
    config = dataclasses.replace(PLAIN, erode_prob=0.9)
    near = []
    for drawn in draws(scene(box), config, 2000):
        y, x = positives(drawn)[0]
        near.append(min(y - 10, 25 - y, x - 10, 25 - x) < 3)
    # A tenth of the draws is not eroded, and of those 156 of 256 pixels lie within 3 of the border.
    assert np.mean(near) == pytest.approx(0.1 * 156 / 256, abs=0.02)


def test_erosion_stops_at_the_image_border_and_spares_small_objects() -> None:
    always = dataclasses.replace(PLAIN, erode_prob=1.0)
    points = np.concatenate([positives(d) for d in draws(scene((0, 0, 20, 20)), always)])
    assert points.min() == 0, "the border of the image is no border of the object"
    assert points.max() == 16
    small = np.concatenate([positives(d) for d in draws(scene((30, 30, 39, 39)), always)])
    assert small.min() == 30, "9 pixels would be left, so the object stays whole"
    assert small.max() == 38
    assert {tuple(p) for p in positives(draws(scene((5, 7, 6, 8)), always, 1)[0])} == {(5, 7)}


def test_center_click_is_central_and_only_the_first() -> None:
    config = dataclasses.replace(PLAIN, first_click_center=True, gamma=1.0)
    sample = scene((10, 10, 41, 51))
    mask = sample.object_mask(0).astype(np.uint8)
    distance = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[
        1:-1, 1:-1
    ]
    made = draws(sample, config)
    first = np.stack([positives(d)[0] for d in made])
    assert (at(distance, first) > distance.max() / 1.7).all()
    others = np.concatenate([positives(d)[1:] for d in made])
    assert (at(distance, others) <= distance.max() / 1.7).mean() > 0.5
    assert at(distance, first).min() < distance.max(), "the centre is a region, not a point"


def test_merging() -> None:
    boxes = [(5, 5, 15, 15), (5, 30, 15, 40), (30, 5, 40, 15), (30, 30, 40, 40)]
    sample = scene(*boxes)

    def merged(drawn: Draw) -> list[int]:
        return [i for i, (top, left, *_) in enumerate(boxes) if drawn.target[top, left] == 1]

    counts = [
        len(merged(d)) for d in draws(sample, dataclasses.replace(PLAIN, merge_prob=0.3), 1500)
    ]
    assert np.mean(np.equal(counts, 2)) == pytest.approx(0.3, abs=0.04)
    assert set(counts) == {1, 2}
    unlimited = draws(sample, dataclasses.replace(PLAIN, merge_prob=1.0, max_merged=4), 300)
    assert {len(merged(d)) for d in unlimited} == {2, 3, 4}
    for drawn in unlimited:  # every merged object is clicked, whatever the number of clicks
        labels = set(at(sample.layers[:, :, 0], positives(drawn)) // 2 - 1)
        assert labels == set(merged(drawn))


def test_merged_objects_share_the_other_clicks_evenly() -> None:
    sample = scene((5, 5, 15, 15), (30, 30, 50, 50))
    config = dataclasses.replace(PLAIN, merge_prob=1.0, gamma=1.0)
    made = draws(sample, config)
    extra = np.concatenate([positives(d)[2:] for d in made])
    both = [len(set(positives(d)[2:, 0] < 20)) == 2 for d in made if len(positives(d)) == 8]
    assert np.mean(both) > 0.9
    assert np.mean(extra[:, 0] < 20) == pytest.approx(0.5, abs=0.05)
    # The two sure clicks come first; the number of others follows the law of the negatives, cut off
    # at the limit.
    assert len(extra) / len(made) == pytest.approx(np.minimum(np.arange(9), 6).mean(), abs=0.4)


def test_merged_clicks_never_exceed_the_limit() -> None:
    boxes = [(5, 5, 15, 15), (5, 30, 15, 40), (30, 5, 40, 15)]
    config = dataclasses.replace(PLAIN, merge_prob=1.0, max_merged=3, gamma=1.0, max_clicks=3)
    counts = [len(positives(d)) for d in draws(scene(*boxes), config)]
    assert max(counts) == 3
    assert min(counts) >= 2


@pytest.mark.parametrize(("which", "expected"), [(0, "background"), (1, "other"), (2, "border")])
def test_negative_strategies(which: int, expected: str) -> None:
    sample = scene((20, 20, 40, 40), (5, 60, 25, 75), (45, 5, 55, 15))
    config = dataclasses.replace(
        PLAIN, negative_probs=tuple(float(i == which) for i in range(3)), gamma=1.0
    )
    seen = set()
    for drawn in draws(sample, config):
        gt = (drawn.target == 1).astype(np.uint8)
        width = int(np.ceil(0.1 * np.sqrt(gt.sum())))
        strip = cv2.dilate(gt, np.ones((2 * width + 1, 2 * width + 1), np.uint8)) - gt
        points = negatives(drawn)
        if expected == "border":
            assert at(strip, points).all()
        if expected == "other":
            assert at(sample.layers[:, :, 0], points).all()
        seen |= {tuple(p) for p in points}
    assert len(seen) > 200


def test_other_is_background_when_there_is_no_other() -> None:
    config = dataclasses.replace(PLAIN, negative_probs=(0.0, 1.0, 0.0), gamma=1.0)
    counts = [len(negatives(d)) for d in draws(scene((20, 20, 40, 40)), config)]
    assert np.mean(counts) == pytest.approx(4, abs=0.5)


def test_negatives_of_an_empty_region_are_dropped() -> None:
    whole = scene((0, 0, HEIGHT, WIDTH))
    assert all(len(negatives(d)) == 0 for d in draws(whole, PLAIN, 50))


def test_sample_without_objects() -> None:
    for drawn in draws(scene(), PLAIN, 50):
        assert not drawn.target.any()
        assert not len(positives(drawn))
    assert max(len(negatives(d)) for d in draws(scene(), PLAIN, 50)) > 2


def test_only_whole_objects_are_targets() -> None:
    layers = np.zeros((HEIGHT, WIDTH, 2), np.uint8)
    layers[5:55, 5:75, 0] = 1
    layers[10:30, 10:40, 1] = 1
    objects = {0: ObjectInfo(0, 1, None, (1,)), 1: ObjectInfo(1, 1, 0)}
    nested = InstanceSample(np.zeros((HEIGHT, WIDTH, 3), np.uint8), layers, objects)
    assert {int(d.target.sum()) for d in draws(nested, PLAIN, 50)} == {50 * 70}


def test_soft_targets() -> None:
    sample = scene((20, 20, 40, 40), ignored=(0, 0, 5, 5))
    target = draws(sample, dataclasses.replace(PLAIN, soft_targets=True), 1)[0].target
    assert target[20, 30] == pytest.approx(0.75)
    assert target[19, 30] == pytest.approx(0.25)
    assert target[30, 30] == 1
    assert (target[:5, :5] == -1).all()


def test_same_generator_same_draw_and_no_shared_state() -> None:
    sample, config = (
        scene((10, 10, 40, 50), (5, 60, 30, 75)),
        dataclasses.replace(PLAIN, merge_prob=0.5),
    )
    first = config.draw(sample, np.random.default_rng(5))
    config.draw(sample, np.random.default_rng(6))
    second = config.draw(sample, np.random.default_rng(5))
    assert np.array_equal(first.yx, second.yx)
    assert np.array_equal(first.target, second.target)
    assert not np.array_equal(first.yx, config.draw(sample, np.random.default_rng(6)).yx)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(IsegmError, match="max_clicks"):
        MultiPoint(max_clicks=0)
    with pytest.raises(IsegmError, match="negative_probs"):
        MultiPoint(negative_probs=(0.5, 0.5, 0.5))
    with pytest.raises(IsegmError, match="merge_prob=2"):
        MultiPoint(merge_prob=2)
    with pytest.raises(IsegmError, match="max_merged=0"):
        MultiPoint(max_merged=0)
