"""Lists of clicks: each is answered click by click, and only what is new is computed."""

from __future__ import annotations

import numpy as np
import pytest
from labelers import MORE, OFF, ON, SIZE, after, answering, photo

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.inference import click_lists
from isegm.inference.click_lists import ClickLists, Keeping, click_at
from isegm.inference.session_file import MAX_CLICKS


def made(*clicks: tuple[tuple[int, int], bool]) -> list[Click]:
    return [Click(float(y), float(x), positive) for (x, y), positive in clicks]


class Counted(ClickLists):
    """Counts the clicks that are computed."""

    def __init__(self, keeping: Keeping | None = None) -> None:
        super().__init__(answering(), keeping)
        self.computed, plain = 0, self._predictor.click

        def click(*given):
            self.computed += 1
            return plain(*given)

        self._predictor.click = click


def test_only_new_clicks_are_computed_and_undo_is_free() -> None:
    lists, image = Counted(), photo()
    steps = [(ON, True), (MORE, True), (OFF, False)]
    for count in (1, 2, 3, 2, 1, 0):
        mask = lists.answer(image, made(*steps[:count]))
        assert (mask == after(*steps[:count])).all()
    assert lists.computed == 3
    other = [(ON, True), (OFF, False)]
    assert (lists.answer(image, made(*other)) == after(*other)).all()
    assert lists.computed == 4  # the first click was known


def test_a_list_in_one_go_is_answered_as_one_click_after_another() -> None:
    steps = [(ON, True), (MORE, True), (OFF, False)]
    whole, single = Counted(), Counted()
    for count in (1, 2, 3):
        last = single.answer(photo(), made(*steps[:count]))
    assert (whole.answer(photo(), made(*steps)) == last).all()


def test_images_are_told_apart_by_their_pixels() -> None:
    lists, other = Counted(), 255 - photo()
    lists.answer(photo(), made((ON, True)))
    lists.answer(photo().copy(), made((ON, True)))
    assert lists.computed == 1
    lists.answer(other, made((ON, True)))
    assert lists.computed == 2


def test_memory_is_bounded_and_what_is_dropped_is_computed_again() -> None:
    lists = Counted(Keeping(images=2, image_bytes=0))
    steps = [(ON, True), (MORE, True), (OFF, False)]
    lists.answer(photo(), made(*steps))
    (known,) = lists._images.values()
    assert len(known.sessions) == click_lists.FEWEST_KEPT
    assert (lists.answer(photo(), made(*steps[:1])) == after(*steps[:1])).all()
    for shade in (1, 2, 3):
        lists.answer(np.full((*SIZE, 3), shade, np.uint8), made((ON, True)))
    assert len(lists._images) == 2
    assert (lists.answer(photo(), made(*steps)) == after(*steps)).all()


def test_an_image_nobody_uses_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = Counted(Keeping(idle_seconds=10))
    lists.answer(photo(), made((ON, True)))
    now = click_lists.time.monotonic()
    monkeypatch.setattr(click_lists.time, "monotonic", lambda: now + 11)
    lists.open(255 - photo())
    assert len(lists._images) == 1


def test_sorted_clicks_get_their_order_back() -> None:
    lists, image = Counted(), photo()
    on, more, off = made((ON, True), (MORE, True), (OFF, False))
    for positive, negative, order in (
        ([on], [], [on]),
        ([on], [off], [on, off]),
        ([on, more], [off], [on, off, more]),  # the negative click came before the second one
        ([on], [off], [on, off]),  # undo
        ([more], [off], [off, more]),  # the first click is removed
        ([], [], []),
    ):
        assert lists.in_order(image, positive, negative) == order
        lists.answer(image, order)
    assert lists.in_order(255 - image, [on, more], [off]) == [on, more, off]
    assert lists.in_order(image, [on, on], []) == [on, on]


def test_what_cannot_be_answered_is_refused() -> None:
    lists = ClickLists(answering())
    with pytest.raises(IsegmError, match=f"at most {MAX_CLICKS}"):
        lists.answer(photo(), made(*[(ON, True)] * (MAX_CLICKS + 1)))
    for threshold in (-0.1, 1.1, "0.5", float("nan")):
        with pytest.raises(IsegmError, match="from 0 to 1"):
            lists.answer(photo(), [], threshold)


def test_a_point_is_the_pixel_that_holds_it() -> None:
    assert click_at(0, 0, True, SIZE) == Click(0, 0, True)
    assert click_at(3.99, 7.2, False, SIZE) == Click(7, 3, False)
    assert click_at(160, 120, True, SIZE) == Click(119, 159, True)
    for x, y in ((-0.1, 0), (160.1, 0), (0, 121)):
        with pytest.raises(IsegmError, match="160 columns"):
            click_at(x, y, True, SIZE)
    for x in ("1", None, True, float("inf"), float("nan"), [1], 10**400):
        with pytest.raises(IsegmError, match="two numbers"):
            click_at(x, 1, True, SIZE)
