"""AroundObject: windows around objects, stretched to the crop."""

import albumentations as A
import numpy as np
import pytest

from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.augment import AroundObject, around_object

BOX = (30, 50, 50, 90)  # of the object: top, left, bottom, right


def sample(layers: int = 1, drawn: bool = True) -> InstanceSample:
    """The red and green channels are row and column; an object in the last layer."""
    y, x = np.mgrid[:100, :200].astype(np.uint8)
    labels = np.zeros((100, 200, layers), np.uint8)
    if drawn:
        labels[BOX[0] : BOX[2], BOX[1] : BOX[3], -1] = 4
    image = np.stack([y, x, 0 * y], 2)
    return InstanceSample(image, labels, {0: ObjectInfo(layers - 1, 4)})


def window(made: InstanceSample) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of what is shown, in pixels of the image."""
    rows, columns = made.image[:, :, 0].astype(int), made.image[:, :, 1].astype(int)
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


def shows_all(made: InstanceSample) -> bool:
    """The outermost pixels may be lost to interpolation."""
    top, left, bottom, right = window(made)
    return bottom - top >= 96 and right - left >= 190


def draws(
    count: int = 60, layers: int = 1, drawn: bool = True, **settings: object
) -> list[InstanceSample]:
    augment = AroundObject(A.Compose([]), crop=(64, 48), **settings)
    shown = sample(layers, drawn)
    return [augment(shown, np.random.default_rng(seed)) for seed in range(count)]


@pytest.mark.parametrize("layers", [1, 2, 6])
def test_results_have_the_size_of_the_crop(layers: int) -> None:
    for made in draws(10, layers):
        assert made.image.shape == (64, 48, 3)
        assert made.layers.shape == (64, 48, layers)
        assert set(np.unique(made.layers)) <= {0, 4}


def test_the_whole_object_is_inside_the_window() -> None:
    for made in draws(whole=0, shift=1.0):
        top, left, bottom, right = window(made)
        assert top <= BOX[0] + 1
        assert left <= BOX[1] + 2
        assert bottom >= BOX[2] - 1
        assert right >= BOX[3] - 2


def test_windows_are_as_large_as_asked_for() -> None:
    sizes = [
        (b - t, r - left) for t, left, b, r in map(window, draws(whole=0, expansion=(1.5, 2.0)))
    ]
    heights, widths = np.array(sizes).T
    assert 28 <= heights.min() < 33 < heights.max() <= 41
    assert 56 <= widths.min() < 66 < widths.max() <= 81


def test_the_object_lies_in_the_center_without_a_shift() -> None:
    for top, left, bottom, right in map(window, draws(whole=0, shift=0.0, expansion=(1.5, 1.5))):
        assert abs((top + bottom) / 2 - 40) <= 2
        assert abs((left + right) / 2 - 70) <= 2
    shifted = [window(made) for made in draws(whole=0, shift=0.8, expansion=(1.5, 1.5))]
    assert np.std([top for top, *_ in shifted]) > 1


def test_the_share_of_whole_images() -> None:
    assert 0.25 < np.mean([shows_all(made) for made in draws(300, whole=0.35)]) < 0.45
    assert all(shows_all(made) for made in draws(5, whole=1.0))


def test_an_image_without_objects_is_shown_whole() -> None:
    for made in draws(5, whole=0, drawn=False):
        assert shows_all(made)


def test_image_and_labels_move_together() -> None:
    for made in draws(whole=0):
        rows, columns = (made.image[:, :, i].astype(int) for i in (0, 1))
        inside = (rows >= BOX[0]) & (rows < BOX[2]) & (columns >= BOX[1]) & (columns < BOX[3])
        assert (inside == (made.layers[:, :, 0] == 4)).mean() > 0.9


def test_the_starters_pipeline() -> None:
    augment = around_object((32, 32))
    first, again = (augment(sample(), np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.image, again.image)
    assert first.image.shape == (32, 32, 3)
    assert len({augment(sample(), np.random.default_rng(s)).image.tobytes() for s in range(5)}) == 5
