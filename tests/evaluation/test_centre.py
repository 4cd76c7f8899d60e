"""The simulated user's rule on hand-drawn errors, and that its shortcut is exact."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from isegm.core.clicks import Click
from isegm.evaluation.users.centre import next_click
from isegm.utils.depth import squared_distance_inside


def draw(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    gt = np.zeros(shape, np.int8)
    for top, left, bottom, right in boxes:
        gt[top:bottom, left:right] = 1
    return gt


NOTHING = np.zeros((40, 60), bool)


def test_first_click_is_the_middle_of_the_object() -> None:
    assert next_click(NOTHING, draw((10, 20, 21, 31))) == Click(15, 25, True)


def test_the_image_border_counts_as_background() -> None:
    assert next_click(NOTHING, draw((0, 0, 9, 9))) == Click(4, 4, True)


def test_first_pixel_in_row_order_wins_a_tie() -> None:
    assert next_click(NOTHING, draw((10, 10, 15, 15), (10, 30, 15, 35))) == Click(12, 12, True)
    assert next_click(NOTHING, draw((20, 10, 25, 15), (5, 30, 10, 35))) == Click(7, 32, True)


def test_equal_depth_gives_a_negative_click() -> None:
    gt, mask = draw((10, 10, 15, 15)), draw((10, 30, 15, 35)).astype(bool)
    assert next_click(mask, gt) == Click(12, 32, False)


def test_the_deeper_error_is_clicked() -> None:
    gt, mask = draw((10, 10, 17, 17)), draw((10, 30, 15, 35)).astype(bool)
    assert next_click(mask, gt) == Click(13, 13, True)


def test_ignored_pixels_are_no_error() -> None:
    gt = draw((10, 10, 15, 15))
    gt[20:40] = -1
    mask = NOTHING.copy()
    mask[20:40] = True
    assert next_click(mask, gt) == Click(12, 12, True)


def test_clicked_pixels_are_passed_over() -> None:
    gt = draw((10, 10, 15, 15))
    again = next_click(NOTHING, gt, [Click(12, 12, True)])
    assert again == Click(11, 11, True)


def test_without_an_error_the_corner_is_clicked_negative() -> None:
    gt = draw((10, 10, 15, 15))
    assert next_click(gt == 1, gt) == Click(0, 0, False)


def test_an_object_of_one_pixel() -> None:
    gt = draw((39, 59, 40, 60))
    assert next_click(NOTHING, gt) == Click(39, 59, True)
    assert next_click(NOTHING, gt, [Click(39, 59, True)]) == Click(0, 0, False)


def test_an_object_covering_the_image() -> None:
    gt = np.ones((5, 7), np.int8)
    assert next_click(np.zeros((5, 7), bool), gt) == Click(2, 2, True)


def reference_click(mask: np.ndarray, gt: np.ndarray, clicked: list[Click]) -> Click:
    """The rule on whole images, word for word, with SciPy's exact transform (as in f-BRS)."""
    depths = []
    for error in ((gt == 1) & ~mask, (gt == 0) & mask):
        depth = distance_transform_edt(np.pad(error, 1))[1:-1, 1:-1]
        for c in clicked:
            depth[c.y, c.x] = 0
        depths.append(depth)
    positive = depths[0].max() > depths[1].max()
    depth = depths[0] if positive else depths[1]
    y, x = (int(v[0]) for v in np.where(depth == depth.max()))
    return Click(y, x, bool(positive))


@pytest.mark.parametrize("seed", range(60))
def test_the_restricted_transform_gives_the_same_clicks_bit_for_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 220)), int(rng.integers(1, 220)))
    noise = cv2.GaussianBlur(
        rng.standard_normal((*shape, 2)).astype(np.float32), (0, 0), float(rng.uniform(1, 12))
    )
    noise = noise.reshape(*shape, 2)
    gt = (noise[..., 0] > rng.normal(0, 0.02)).astype(np.int8)
    gt[rng.random(shape) < 0.01] = -1
    mask = noise[..., 1] > rng.normal(0, 0.02)
    clicked: list[Click] = []
    for _ in range(4):
        click = next_click(mask, gt, clicked)
        assert click == reference_click(mask, gt, clicked)
        clicked.append(click)
    error = (gt == 1) & ~mask
    if error.any():
        rows, cols = np.where(error)
        part = np.s_[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
        whole = squared_distance_inside(error)
        assert np.array_equal(squared_distance_inside(error[part]), whole[part])
        assert np.array_equal(
            whole, np.rint(distance_transform_edt(np.pad(error, 1))[1:-1, 1:-1] ** 2)
        )
