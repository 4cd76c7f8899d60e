"""Where FocalClick looks closer, in training and at test time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from isegm.core.boxes import Box, whole
from isegm.core.clicks import Click
from isegm.core.rounds import Session
from isegm.nn.focus import focus_box, training_box, zoomed


def answered(mask: np.ndarray, click: Click) -> Session:
    """A session whose newest answer is a mask."""
    height, width = mask.shape
    prob = torch.from_numpy(mask.astype(np.float32))[None, None]
    return Session(
        torch.zeros(1, 3, height, width, dtype=torch.uint8),
        prob,
        (click,),
        view=whole(height, width),
    )


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((100, 120), bool)
    mask[top:bottom, left:right] = True
    return mask


def focus(old: np.ndarray, new: np.ndarray, y: int, x: int, frame: Box | None = None) -> Box | None:
    click = Click(y, x, True)
    return focus_box(answered(old, click), answered(new, click), frame or whole(100, 120))


def test_the_first_focus_crop_shows_the_object() -> None:
    # rows 20..39, centre 29.5, 1.4 * 20 = 28: 15.5 .. 43.5, cut to whole numbers
    assert focus(rectangle(0, 0, 0, 0), rectangle(20, 30, 40, 60), 30, 40) == (15, 23, 43, 65)


def test_later_focus_crops_show_what_changed_around_the_click() -> None:
    old = rectangle(20, 30, 40, 60)
    new = old | rectangle(40, 30, 60, 60) | rectangle(62, 50, 70, 60)
    assert focus(old, new, 50, 40) == (35, 23, 63, 65)
    assert focus(old, new, 50, 40, Box(38, 30, 60, 60)) == (38, 30, 60, 60)


def test_a_change_much_smaller_than_the_object_gives_a_square_around_the_click() -> None:
    old = rectangle(10, 10, 70, 70)
    new = old | rectangle(70, 40, 75, 45)
    # The object is 64 rows and 59 columns between first and last: 12.8 to each side of (72, 42),
    # 1.4 times 26.6.
    assert focus(old, new, 72, 42) == (53, 23, 90, 60)


def test_a_click_that_changed_nothing_counts_all_that_stayed_as_changed() -> None:
    old = rectangle(20, 30, 40, 60)
    assert focus(old, old, 80, 100) == whole(100, 120)


def test_no_crop_is_left_where_the_frame_is_elsewhere() -> None:
    old = rectangle(20, 30, 40, 60)
    new = old | rectangle(40, 30, 60, 60)
    assert focus(old, new, 50, 40, Box(80, 80, 100, 120)) is None


@pytest.mark.parametrize("area", [0, 5, 400, 5000, 256 * 256])
def test_training_crops_lie_in_the_image(area: int) -> None:
    mask = np.zeros((256, 256), bool)
    mask.flat[:area] = True
    for seed in range(50):
        box = training_box(mask, np.random.default_rng(seed))
        assert 0 <= box.top < box.bottom <= 256
        assert 0 <= box.left < box.right <= 256


def test_training_crops_show_the_object_or_its_boundary() -> None:
    mask = np.zeros((256, 256), bool)
    mask[60:160, 80:200] = True
    mask[10:13, 10:13] = True
    around, boundary = 0, 0
    for seed in range(400):
        box = training_box(mask, np.random.default_rng(seed))
        shown = mask[box.top : box.bottom, box.left : box.right]
        assert shown.any()
        around += shown.sum() > 0.55 * mask.sum()
        boundary += not shown.all() and shown.sum() < 0.55 * mask.sum()
    assert 0.5 < around / 400 < 0.75
    assert around + boundary > 390
    small = np.zeros((256, 256), bool)
    small[100:150, 100:150] = True  # fewer than 3600 pixels: always the object
    for seed in range(50):
        box = training_box(small, np.random.default_rng(seed))
        assert 32 <= box.height <= 81
        assert small[box.top : box.bottom, box.left : box.right].sum() > 0.4 * small.sum()


def test_training_crops_are_resized_as_opencv_does() -> None:
    image = np.random.default_rng(0).random((2, 48, 64, 3)).astype(np.float32)
    cut = [Box(5, 10, 30, 20), Box(0, 0, 48, 64)]
    made = zoomed(torch.from_numpy(image).permute(0, 3, 1, 2), cut).permute(0, 2, 3, 1).numpy()
    for got, source, box in zip(made, image, cut, strict=True):
        part = source[box.top : box.bottom, box.left : box.right]
        assert np.allclose(
            got, cv2.resize(part, (64, 48), interpolation=cv2.INTER_LINEAR), atol=2e-4
        )
