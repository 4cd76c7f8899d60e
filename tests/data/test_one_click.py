"""With gamma 0: one click in the middle of each object of the target, and nothing else."""

import dataclasses

import numpy as np

from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.sampling.multi_point import MultiPoint

CONFIG = MultiPoint(max_clicks=2, gamma=0.0, first_click_center=True)


def sample() -> InstanceSample:
    layers = np.zeros((60, 90, 1), np.uint8)
    layers[5:35, 5:35], layers[20:55, 50:85] = 1, 2
    return InstanceSample(
        np.zeros((60, 90, 3), np.uint8), layers, {1: ObjectInfo(0, 1), 2: ObjectInfo(0, 2)}
    )


def test_one_object_one_click_in_its_middle() -> None:
    for seed in range(50):
        drawn = CONFIG.draw(sample(), np.random.default_rng(seed))
        assert drawn.label.tolist() == [1, -1, -1, -1]
        rows, columns = np.nonzero(drawn.target == 1)
        y, x = drawn.yx[0]
        deepest = min(y - rows.min(), rows.max() - y, x - columns.min(), columns.max() - x) + 1
        assert deepest > 15 / 1.7 - 3, "the erosion may take three pixels"


def test_merged_objects_have_a_click_each() -> None:
    config = dataclasses.replace(CONFIG, merge_prob=1.0)
    for seed in range(30):
        drawn = config.draw(sample(), np.random.default_rng(seed))
        assert drawn.label.tolist() == [1, 1, -1, -1]
        hit = {int(sample().layers[int(y), int(x), 0]) for y, x in drawn.yx[:2]}
        assert hit == {1, 2}
