"""The page in a real browser, headless Chromium: clicks, objects, and what comes out of them."""

from __future__ import annotations

import json
import re
import threading

import numpy as np
from demo_page import (
    click,
    expect,
    mask_in,
    open_photo,
    place_of,
    playwright,
    saved,
    settled,
    shown,
)
from demo_server import RADIUS, png
from fastapi import FastAPI


def test_a_click_shows_a_mask_and_another_changes_it(page: playwright.Page) -> None:
    open_photo(page)
    before = shown(page)
    click(page, 40, 60)
    first = shown(page)
    assert np.abs(first - before).max() > 40
    click(page, 80, 100)
    assert np.abs(shown(page) - first).max() > 40
    expect(page.locator("#latency")).to_contain_text("ms")
    assert page.locator("body").get_attribute("data-area") == str(
        (mask_in(saved(page, "This object")) == 255).sum()
    )


def test_the_click_lands_on_the_pixel_below_the_pointer(page: playwright.Page) -> None:
    open_photo(page)
    click(page, 33, 77)
    session = json.loads(saved(page, "Session without"))
    assert session["objects"][0]["clicks"] == [[33, 77, 1]]
    mask = mask_in(saved(page, "This object")) == 255
    y, x = np.mgrid[:120, :160]
    assert (mask == ((y - 33) ** 2 + (x - 77) ** 2 < RADIUS**2)).mean() > 0.995


def test_clicks_after_wheel_and_drag_land_as_well(page: playwright.Page) -> None:
    open_photo(page)
    place = place_of(page, 60, 80)
    page.mouse.move(*place)
    page.mouse.wheel(0, -600)
    page.mouse.down()
    page.mouse.move(place[0] + 50, place[1] + 30, steps=4)
    page.mouse.up()
    expect(page.locator("body")).to_have_attribute("data-clicks", "0")  # a drag is no click
    page.mouse.click(place[0] + 50, place[1] + 30)
    expect(page.locator("body")).to_have_attribute("data-clicks", "1")
    settled(page)
    assert json.loads(saved(page, "Session without"))["objects"][0]["clicks"] == [[60, 80, 1]]


def test_undo_and_redo_restore_the_exact_mask(page: playwright.Page) -> None:
    open_photo(page)
    click(page, 40, 60)
    first, first_picture = saved(page, "This object"), shown(page)
    click(page, 45, 75, button="right")
    second = saved(page, "This object")
    assert first != second
    page.keyboard.press("Control+z")
    expect(page.locator("body")).to_have_attribute("data-clicks", "1")
    settled(page)
    assert saved(page, "This object") == first
    assert np.abs(shown(page) - first_picture).max() == 0
    page.keyboard.press("Control+y")
    expect(page.locator("body")).to_have_attribute("data-clicks", "2")
    settled(page)
    assert saved(page, "This object") == second


def test_two_objects_are_listed_saved_and_deleted(page: playwright.Page) -> None:
    open_photo(page)
    masks = []
    for y, x in ((40, 40), (80, 110)):
        click(page, y, x)
        masks.append(mask_in(saved(page, "This object")) == 255)
        page.keyboard.press("n")
        expect(page.locator("body")).to_have_attribute("data-clicks", "0")
        settled(page)
    expect(page.locator("#objects li")).to_have_count(2)
    indexed = mask_in(saved(page, "All objects, indexed"))
    assert (indexed == np.where(masks[1], 2, masks[0].astype(int))).all()
    coco = json.loads(saved(page, "COCO"))
    assert [annotation["area"] for annotation in coco["annotations"]] == [
        mask.sum() for mask in masks
    ]
    page.click("#objects li >> nth=0 >> button[title=Delete]")
    expect(page.locator("#objects li")).to_have_count(1)
    expect(page.locator("#objects li")).to_contain_text("object 2")


def test_a_finished_object_is_opened_again_and_corrected(page: playwright.Page) -> None:
    open_photo(page)
    pictures = []
    for y, x in ((40, 40), (80, 110)):
        click(page, y, x)
        page.keyboard.press("n")
        expect(page.locator("body")).to_have_attribute("data-clicks", "0")
        settled(page)
        pictures.append(mask_in(saved(page, "All objects, indexed")))
    page.click("#objects .entry >> text=object 1")
    expect(page.locator("body")).to_have_attribute("data-clicks", "1")
    expect(page.locator("#objects .current")).to_contain_text("object 1, in work")
    settled(page)
    assert (mask_in(saved(page, "This object")) == 255).sum() == (pictures[0] == 1).sum()
    page.keyboard.press("Control+z")
    expect(page.locator("body")).to_have_attribute("data-clicks", "0")
    page.keyboard.press("Control+y")
    expect(page.locator("body")).to_have_attribute("data-clicks", "1")
    settled(page)
    click(page, 45, 52)
    corrected = mask_in(saved(page, "This object")) == 255
    page.click("#finish")
    expect(page.locator("#objects .current")).to_have_count(0)
    assert page.locator("#objects .name").all_inner_texts() == ["object 1", "object 2"]
    settled(page)
    expected = np.where(pictures[1] == 2, 2, corrected.astype(int))
    assert (mask_in(saved(page, "All objects, indexed")) == expected).all()


def test_what_is_slow_can_be_cancelled_and_nothing_has_changed(
    page: playwright.Page, slow: threading.Event
) -> None:
    open_photo(page)
    click(page, 40, 60)
    area = page.locator("body").get_attribute("data-area")
    slow.set()
    for y in (70, 90):
        page.mouse.click(*place_of(page, y, 60))
    expect(page.locator("#cancel")).to_be_visible()
    page.click("#save-button")
    page.keyboard.press("Escape")  # closes the menu, and that is all
    expect(page.locator("#save")).to_be_hidden()
    expect(page.locator("#cancel")).to_be_visible()
    page.keyboard.press("Escape")
    slow.clear()
    expect(page.locator(".toast")).to_contain_text("cancelled")
    settled(page)
    assert page.locator("body").get_attribute("data-area") == area
    expect(page.locator("body")).to_have_attribute(
        "data-clicks", "1"
    )  # the click that waited is given up as well
    click(page, 80, 100)


def test_what_is_saved_is_what_the_api_returns(page: playwright.Page) -> None:
    with page.expect_response(re.compile(r"/api/sessions$")) as answer:
        open_photo(page)
    key = answer.value.json()["id"]
    click(page, 50, 50)
    api = page.request.get(f"{page.url}api/sessions/{key}/mask.png")
    assert saved(page, "This object") == api.body()


def test_a_replay_equals_the_live_session(page: playwright.Page) -> None:
    open_photo(page)
    click(page, 40, 40)
    page.keyboard.press("n")
    settled(page)
    click(page, 80, 110)
    click(page, 85, 120, button="right")
    file, live = saved(page, "Session with its"), mask_in(saved(page, "All objects, indexed"))
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-ready", "yes")
    page.locator("#session-file").set_input_files(
        {"name": "s.json", "mimeType": "application/json", "buffer": file}
    )
    expect(page.locator(".toast")).to_contain_text("every mask is as it was recorded")
    settled(page)
    assert (mask_in(saved(page, "All objects, indexed")) == live).all()
    assert json.loads(saved(page, "Session with its")) == json.loads(file)


def test_a_replay_with_its_image_is_cancelled_and_the_open_image_stays(
    page: playwright.Page, served: FastAPI, slow: threading.Event
) -> None:
    open_photo(page)
    click(page, 40, 40)
    click(page, 80, 110)
    file, area = saved(page, "Session with its"), page.locator("body").get_attribute("data-area")
    count = len(served.state.store)
    slow.set()
    page.locator("#session-file").set_input_files(
        {"name": "s.json", "mimeType": "application/json", "buffer": file}
    )
    expect(page.locator("#work")).to_have_text("replaying: click 0 of 2")
    page.click("#cancel")
    slow.clear()
    expect(page.locator(".toast")).to_contain_text("cancelled")
    settled(page)
    assert page.locator("body").get_attribute("data-area") == area
    click(page, 60, 60)
    assert len(served.state.store) == count


def test_a_broken_file_is_answered_with_a_toast(page: playwright.Page) -> None:
    page.locator("#image-file").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": b"no image"}
    )
    expect(page.locator(".toast.error")).to_contain_text("a.png is not a readable image")
    open_photo(page)  # and everything still works
    click(page, 40, 40)


def test_a_mask_file_is_a_start(page: playwright.Page) -> None:
    open_photo(page)
    mask = np.zeros((120, 160), np.uint8)
    mask[30:70, 40:90] = 255
    page.locator("#mask-file").set_input_files(
        {"name": "m.png", "mimeType": "image/png", "buffer": png(mask)}
    )
    expect(page.locator("body")).to_have_attribute("data-area", str(40 * 50))
    settled(page)
    assert (mask_in(saved(page, "This object")) == mask).all()
