"""Augmentation: every transform fires with its probability, independently, and image and labels
move together.
"""

import pickle

import albumentations as A
import numpy as np
import pytest

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample
from isegm.data.augment import Crop, Pipeline, cropped, fitted, fitted_only, photographs, turned


def val_sbd(crop: Crop) -> Pipeline:
    return cropped(crop, scale=(0.75, 1.25))


PIPELINES = {
    "coco": photographs,
    "sbd": turned,
    "fitted": fitted,
    "val": cropped,
    "val_sbd": val_sbd,
}
NAMES = tuple(PIPELINES)


def sample(height: int = 40, width: int = 60, layers: int = 1) -> InstanceSample:
    """A picture whose channels are its row and column, and whose first layer repeats them in
    blocks.
    """
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    image = np.stack([4 * y, 4 * x, np.full_like(y, 100)], 2)
    labels = (y // 10 * 6 + x // 10 + 1).astype(np.uint8)
    return InstanceSample(image, np.repeat(labels[:, :, None], layers, 2), {})


def run(p: Pipeline, seed: int, **size: int) -> InstanceSample:
    return p(sample(**size), np.random.default_rng(seed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layers", [1, 2, 7])
def test_results_have_the_size_of_the_crop(name: str, layers: int) -> None:
    for size in ((20, 30), (96, 128)):
        made = run(PIPELINES[name](size), 0, layers=layers)
        assert made.image.shape == (*size, 3)
        assert made.image.dtype == np.uint8
        assert made.layers.shape == (*size, layers)
        assert made.layers.dtype == np.uint8


@pytest.mark.parametrize("name", [name for name in NAMES if name != "fitted"])
def test_padding_is_black_and_background(name: str) -> None:
    made = run(PIPELINES[name]((200, 200)), 3)
    outside = made.layers[:, :, 0] == 0
    assert outside.sum() > 200 * 200 - 60 * 90
    assert made.layers.max() == 24
    if name.startswith("val"):
        assert not made.image[outside].any()


@pytest.mark.parametrize("name", ["val", "val_sbd"])
def test_image_and_labels_move_together(name: str) -> None:
    for seed in range(10):
        made = run(PIPELINES[name]((36, 50)), seed)
        inside = made.layers[:, :, 0] > 0
        y, x = made.image[:, :, 0] / 4, made.image[:, :, 1] / 4
        label = y // 10 * 6 + x // 10 + 1
        assert (label == made.layers[:, :, 0])[inside].mean() > 0.9


def test_geometry_of_sbd_moves_both() -> None:
    p = turned((64, 64))
    geometry = Pipeline(
        A.Compose([t for t in p.transforms.transforms if not isinstance(t, A.ImageOnlyTransform)]),
        p.scale,
    )
    for seed in range(20):
        made = geometry(sample(), np.random.default_rng(seed))
        inside = (made.layers[:, :, 0] > 0) & (made.image[:, :, 2] == 100)
        label = made.image[:, :, 0] // 4 // 10 * 6 + made.image[:, :, 1] // 4 // 10 + 1
        assert inside.sum() > 1000
        assert (label == made.layers[:, :, 0])[inside].mean() > 0.85


EXPECTED = {
    "coco": {
        "HorizontalFlip": 0.5,
        "PadIfNeeded": 1.0,
        "RandomCrop": 1.0,
        "RandomBrightnessContrast": 0.75,
        "RGBShift": 0.75,
    },
    "sbd": {
        "OneOf": 0.5,
        "RandomRotate90": 0.5,
        "Affine": 0.75,
        "PadIfNeeded": 1.0,
        "RandomCrop": 1.0,
        "RandomBrightnessContrast": 0.75,
        "RGBShift": 0.75,
    },
    "fitted": {
        "OneOf": 0.5,
        "RandomRotate90": 0.5,
        "Affine": 0.75,
        "RandomBrightnessContrast": 0.75,
        "RGBShift": 0.75,
        "LongestMaxSize": 1.0,
        "PadIfNeeded": 1.0,
    },
    "val": {"PadIfNeeded": 1.0, "RandomCrop": 1.0},
    "val_sbd": {"PadIfNeeded": 1.0, "RandomCrop": 1.0},
}


@pytest.mark.parametrize("name", NAMES)
def test_every_transform_fires_with_its_probability_and_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = PIPELINES[name]((24, 24))
    transforms = p.transforms.transforms
    assert [type(t).__name__ for t in transforms] == list(EXPECTED[name])
    fired = np.zeros((400, len(transforms)), bool)
    runs = 0

    def watch(transform: A.BasicTransform, column: int) -> None:
        original = transform.apply_with_params

        def apply(*args, **kwargs):
            fired[runs, column] = True
            return original(*args, **kwargs)

        monkeypatch.setattr(transform, "apply_with_params", apply)

    for column, transform in enumerate(transforms):
        for member in transform.transforms if isinstance(transform, A.OneOf) else [transform]:
            watch(member.transforms[0] if isinstance(member, A.Sequential) else member, column)
    while runs < len(fired):
        run(p, runs)
        runs += 1
    assert np.allclose(fired.mean(0), list(EXPECTED[name].values()), atol=0.08)
    random_ones = [i for i, share in enumerate(EXPECTED[name].values()) if share < 1]
    if len(random_ones) > 1:  # a seed shared by all transforms would make them fire together
        correlation = np.corrcoef(fired[:, random_ones].T) - np.eye(len(random_ones))
        assert abs(correlation).max() < 0.2


def test_scale_covers_its_range() -> None:
    p = photographs((160, 160))
    heights = [
        np.ptp(np.flatnonzero(run(p, seed).layers[:, :, 0].any(1))) + 1 for seed in range(200)
    ]
    assert min(heights) == pytest.approx(0.75 * 40, abs=2)
    assert max(heights) == pytest.approx(1.40 * 40, abs=2)
    assert np.mean(heights) == pytest.approx(1.075 * 40, abs=1.5)


def test_brightness_is_relative_to_the_largest_value() -> None:
    black = InstanceSample(np.zeros((24, 24, 3), np.uint8), np.zeros((24, 24, 1), np.uint8), {})
    p = photographs((24, 24))
    values = [p(black, np.random.default_rng(seed)).image.mean() for seed in range(200)]
    assert 55 < max(values) <= 0.25 * 255 + 10


def test_same_generator_same_result() -> None:
    for name in NAMES:
        p = PIPELINES[name]((30, 40))
        first = run(p, 1)
        run(p, 2)
        again = pickle.loads(pickle.dumps(p))
        for other in (run(p, 1), run(again, 1)):
            assert np.array_equal(first.image, other.image)
            assert np.array_equal(first.layers, other.layers)
        assert not np.array_equal(first.image, run(p, 2).image)


def test_many_labels_survive() -> None:
    wide = InstanceSample(
        np.zeros((40, 60, 3), np.uint8), np.arange(2400, dtype=np.uint16).reshape(40, 60, 1), {}
    )
    for name in NAMES:
        made = PIPELINES[name]((64, 64))(wide, np.random.default_rng(0))
        assert made.layers.dtype == np.uint16
        assert made.layers.max() > 2000


def test_impossible_sizes() -> None:
    for make in PIPELINES.values():
        for crop in ((0, 2), (2,), ()):
            with pytest.raises(IsegmError, match="expected rows and columns"):
                make(crop)


@pytest.mark.parametrize(("height", "width"), [(40, 60), (60, 40), (40, 200)])
def test_a_fitted_image_is_whole_and_at_the_top_left(height: int, width: int) -> None:
    made = fitted_only((120, 120))(sample(height, width), np.random.default_rng(0))
    scale = 120 / max(height, width)
    rows, columns = round(scale * height), round(scale * width)
    inside = np.zeros((120, 120), bool)
    inside[:rows, :columns] = True
    assert np.array_equal(made.layers[:, :, 0] > 0, inside)
    assert not made.image[~inside].any()
    assert set(np.unique(made.layers)) - {0} == set(np.unique(sample(height, width).layers))
