"""The page in a real browser, headless Chromium: settings, keyboard, windows, and ways to open an
image.
"""

from __future__ import annotations

import json
import re

import numpy as np
from demo_page import click, expect, open_photo, place_of, playwright, saved, settled, shown
from demo_server import photo_of, png


def test_the_crop_is_outlined_and_shown_as_the_network_saw_it(page: playwright.Page) -> None:
    open_photo(page)
    for y, x in ((40, 60), (42, 66), (44, 70)):
        click(page, y, x)
    plain = shown(page)
    page.keyboard.press("c")
    expect(page.locator("#inset-frame")).to_be_visible()
    assert (
        page.evaluate(
            "Math.max(document.getElementById('inset').width,"
            " document.getElementById('inset').height)"
        )
        == 96
    )
    expect(page.locator("#inset-frame figcaption")).to_contain_text("the network saw")
    assert np.abs(shown(page) - plain).max() > 40
    page.keyboard.press("c")
    expect(page.locator("#inset-frame")).to_be_hidden()


def test_the_page_works_in_a_narrow_window(page: playwright.Page) -> None:
    page.set_viewport_size({"width": 420, "height": 760})
    open_photo(page)
    click(page, 60, 80)
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    for name in ("#undo", "#finish", "#save-button", "#open"):
        box = page.locator(name).bounding_box()
        assert 0 <= box["x"] <= 420 - box["width"], name


def test_every_control_has_a_name(page: playwright.Page) -> None:
    open_photo(page)
    unnamed = page.evaluate(
        """() => [
            ...document.querySelectorAll("button, input:not([type=file]), select, canvas")
        ].filter((found) =>
            !(found.getAttribute("aria-label") ?? found.ariaLabel ?? found.labels?.[0]?.textContent
                ?? (found.querySelector("img")?.alt || found.textContent)).trim()
        ).map((found) => found.outerHTML)"""
    )
    assert unnamed == []


def test_a_transparent_image_is_shown_as_the_network_sees_it(page: playwright.Page) -> None:
    pixels = np.full((120, 160, 4), 200, np.uint8)
    pixels[..., 3] = 0
    open_photo(page, png(pixels))
    seen = shown(page)
    assert (seen[seen.shape[0] // 2, seen.shape[1] // 2] == 200).all()


def test_settings_maps_and_crop(page: playwright.Page) -> None:
    open_photo(page)
    click(page, 40, 60)
    area = int(page.locator("body").get_attribute("data-area"))
    page.fill("input[name=threshold]", "0.9")
    expect(page.locator("body")).not_to_have_attribute("data-area", str(area))
    settled(page)
    plain = shown(page)
    page.select_option("#layer", label="probability")
    settled(page)
    assert np.abs(shown(page) - plain).max() > 40
    page.fill("input[name=threshold]", "7")
    expect(page.locator(".toast.error")).to_contain_text("threshold=7")
    expect(page.locator("input[name=threshold]")).to_have_value("0.9")


def test_settings_stay_for_the_next_image(page: playwright.Page) -> None:
    open_photo(page)
    page.fill("input[name=threshold]", "0.9")
    settled(page)
    with page.expect_response(re.compile("/settings$")) as answer:
        open_photo(page, photo_of(1), "next.png")
    assert answer.value.json()["settings"]["threshold"] == 0.9
    expect(page.locator("input[name=threshold]")).to_have_value("0.9")
    with page.expect_response(re.compile("/clicks$")) as answer:
        click(page, 40, 60)
    assert answer.value.json()["settings"]["threshold"] == 0.9


def test_the_keyboard_clicks_as_well(page: playwright.Page) -> None:
    open_photo(page)
    page.focus("#canvas")
    page.keyboard.press("ArrowUp")  # from the middle, one pixel of an image this small
    for key in ("ArrowLeft", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("body")).to_have_attribute("data-clicks", "1")
    settled(page)
    for key in ("Shift+ArrowRight", "Shift+Enter"):
        page.keyboard.press(key)
    expect(page.locator("body")).to_have_attribute("data-clicks", "2")
    settled(page)
    first, second = [
        c[:3] for c in json.loads(saved(page, "Session with its"))["objects"][0]["clicks"]
    ]
    assert first == [59, 78, 1]
    assert second == [59, second[1], 0]
    assert second[1] > 80


def test_a_file_that_is_too_large_is_said_without_sending_it(page: playwright.Page) -> None:
    page.evaluate("import('/static/api.js').then((api) => { api.limits.upload = 66000; })")
    page.locator("#image-file").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": b"x" * 1000}
    )
    expect(page.locator(".toast.error")).to_contain_text(
        "a.png has 1 MiB; at most 0 MiB are accepted"
    )


def test_an_address_opens_one_of_the_pictures(page: playwright.Page, address: str) -> None:
    page.goto(f"{address}/?picture=scene 2.png")
    expect(page).to_have_title("scene 2.png - isegm")
    page.goto(f"{address}/?picture=../secret.png")
    expect(page.locator(".toast.error")).to_contain_text("secret.png")
    expect(page.locator("#welcome")).to_be_visible()


def test_a_dropped_image_opens(page: playwright.Page) -> None:
    transfer = page.evaluate_handle(
        """(bytes) => {
            const transfer = new DataTransfer();
            const bits = [new Uint8Array(bytes)];
            transfer.items.add(new File(bits, "dropped.png", { type: "image/png" }));
            return transfer;
        }""",
        list(photo_of(1)),
    )
    page.dispatch_event("#stage", "drop", {"dataTransfer": transfer})
    expect(page).to_have_title("dropped.png - isegm")


def test_a_closed_session_is_said_to_be_closed(page: playwright.Page) -> None:
    with page.expect_response(re.compile(r"/api/sessions$")) as answer:
        open_photo(page)
    page.request.delete(f"{page.url}api/sessions/{answer.value.json()['id']}")
    page.mouse.click(*place_of(page, 40, 40))
    expect(page.locator(".toast.error")).to_contain_text("this session is closed")
    expect(page.locator("#welcome")).to_be_visible()
