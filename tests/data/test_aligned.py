"""Windows of any size brought to the crop, and targets without small regions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from isegm.core.clicks import PADDING
from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.augment import Aligned, Crop, Pipeline, aligned, resized_crop
from isegm.data.dataset import ClickDataset
from isegm.data.sampling.draw import Draw
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sampling.regions import LargeRegions


def sample(height: int = 60, width: int = 80, dtype: type = np.uint8) -> InstanceSample:
    """A picture whose channels are its row and column, and labels that repeat them in blocks."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([3 * y, 3 * x, np.full_like(y, 200)], 2).astype(np.uint8)
    return InstanceSample(image, (y // 10 * 8 + x // 10 + 1).astype(dtype)[:, :, None], {})


def coloured(crop: Crop) -> Pipeline:
    return aligned(crop, colour=True)


def wide_coloured(crop: Crop) -> Pipeline:
    return aligned(crop, least=0.5, mean=1.0, colour=True)


@pytest.mark.parametrize("make", [aligned, coloured, wide_coloured, resized_crop])
def test_results_have_the_size_of_the_crop_and_the_same_seed_gives_the_same(
    make: Callable[[Crop], Pipeline],
) -> None:
    p = make((48, 64))
    made, again, other = (p(sample(), np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert made.image.shape == (48, 64, 3)
    assert made.layers.shape == (48, 64, 1)
    assert np.array_equal(made.image, again.image)
    assert not np.array_equal(made.image, other.image)


def test_image_and_labels_move_together_and_no_label_is_invented() -> None:
    p = aligned((96, 96))
    for seed in range(20):
        made = p(sample(), np.random.default_rng(seed))
        inside = (made.layers[:, :, 0] > 0) & (made.image[:, :, 2] == 200)
        label = (
            np.rint(made.image[:, :, 0] / 3) // 10 * 8 + np.rint(made.image[:, :, 1] / 3) // 10 + 1
        )
        assert (label == made.layers[:, :, 0])[inside].mean() > 0.8
        assert set(np.unique(made.layers)) <= set(range(49))


def test_labels_above_255_survive() -> None:
    wide = sample(200, 200, np.uint16)
    wide.layers[:] = 1 + 300 * (wide.layers > 40)
    made = aligned((32, 32))(wide, np.random.default_rng(0))
    assert made.layers.dtype == np.uint16
    assert set(np.unique(made.layers)) <= {0, 1, 301}


def test_windows_are_as_wide_and_as_high_as_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    p = aligned((60, 80))
    shares = iter([0.5, 0.25] * 20)
    monkeypatch.setattr(Aligned, "_share", lambda self, rng: next(shares))
    for seed in range(20):
        image, _ = p.placed(sample().image, sample().layers, np.random.default_rng(seed))
        rows, columns = (
            np.ptp(image[:, 0, 0].astype(int)) / 3,
            np.ptp(image[0, :, 1].astype(int)) / 3,
        )
        assert rows == pytest.approx(29, abs=1)
        assert columns == pytest.approx(19, abs=1)


def test_windows_larger_than_the_image_are_filled_up_with_black_and_background(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Aligned, "_share", lambda self, rng: 1.25)
    image, layers = aligned((75, 100)).placed(
        sample().image, sample().layers, np.random.default_rng(0)
    )
    assert (layers > 0).sum() == 60 * 80
    assert not image[layers[:, :, 0] == 0].any()


def test_shares_are_normal_and_cut_off() -> None:
    p, rng = aligned((8, 8)), np.random.default_rng(0)
    shares = np.array([p._share(rng) for _ in range(4000)])
    assert 0.3 <= shares.min() < 0.31
    assert 1.29 < shares.max() <= 1.3
    assert shares.mean() == pytest.approx(0.8, abs=0.02)
    wide = aligned((8, 8), least=0.5, mean=1.0)
    assert (wide.shares, wide.mean) == ((0.5, 1.3), 1.0)


def test_colours_change_only_where_they_should() -> None:
    plain, colour = (
        aligned((16, 16), colour=colour).transforms.transforms for colour in (False, True)
    )
    names = ["VerticalFlip", "HorizontalFlip"]
    assert [type(t).__name__ for t in plain] == names
    assert [type(t).__name__ for t in colour] == [*names, "RandomBrightnessContrast", "RGBShift"]
    assert all(t.p == 0.3 for t in plain)


def drawing() -> Draw:
    target = np.zeros((40, 50), np.float32)
    target[2:22, 2:32] = 1
    target[30:33, 30:33] = 1
    target[39] = -1
    yx = np.array([[31, 31], [10, 10], [5, 5], [0, 0], [35, 1], [-1, -1]], np.float64)
    return Draw(target, yx, np.array([1, 1, 1, 0, 0, PADDING]))


def test_small_regions_and_the_clicks_on_them_go() -> None:
    made = large(min_area=100).tidied(drawing())
    assert (made.target == 1).sum() == 600
    assert (made.target == -1).sum() == 50
    assert made.label.tolist() == [1, 1, PADDING, 0, 0, PADDING]
    assert made.yx[:2].tolist() == [[10, 10], [5, 5]]


def large(**settings: float) -> LargeRegions:
    return LargeRegions(
        MultiPoint(max_clicks=3), **{"min_region": 10, "min_area": 0, "max_share": 1.0, **settings}
    )


@pytest.mark.parametrize("settings", [{"min_area": 600}, {"max_share": 0.3}, {"min_region": 601}])
def test_targets_that_are_too_small_or_too_large_are_not_used(settings: dict) -> None:
    assert large(**settings).tidied(drawing()) is None


def test_the_data_set_takes_another_image_instead() -> None:
    class Two:
        def __len__(self) -> int:
            return 2

        def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
            layers = np.zeros((30, 30, 1), np.uint8)
            layers[: 4 + 12 * index, :10] = 1
            return InstanceSample(
                np.full((30, 30, 3), index, np.uint8), layers, {0: ObjectInfo(0, 1)}
            )

    data = ClickDataset(Two(), large(min_region=50, max_share=0.85))
    assert all(data[0, position]["image"].unique().tolist() == [1] for position in range(2))


def test_a_share_that_is_none() -> None:
    with pytest.raises(IsegmError, match="max_share=2"):
        large(max_share=2)
