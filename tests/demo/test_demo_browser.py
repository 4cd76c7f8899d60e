"""The page in a real browser, driven as a user would: headless Chromium, skipped where there is none."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from demo_server import RADIUS, app_of, photo_of, png
from fastapi import FastAPI
from PIL import Image

playwright = pytest.importorskip("playwright.sync_api")
uvicorn = pytest.importorskip("uvicorn")
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
expect = playwright.expect if CHROMIUM else None
STATUS_LINE = 34  # pixels
PATIENCE = 60_000  # milliseconds: machines that run tests are busy


@pytest.fixture(scope="module")
def served() -> FastAPI:
    return app_of()


@pytest.fixture
def slow(served: FastAPI) -> Iterator[threading.Event]:
    """While it is set the network has no time for anybody."""
    busy, over = threading.Event(), threading.Event()

    def occupy() -> None:
        while not over.is_set():
            if busy.wait(0.02):
                with served.state.store.turn():
                    while busy.is_set():
                        time.sleep(0.02)

    thread = threading.Thread(target=occupy, daemon=True)
    thread.start()
    yield busy
    busy.clear()
    over.set()
    thread.join(10)


@pytest.fixture(scope="module")
def address(served: FastAPI) -> Iterator[str]:
    """A server of this process on a free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(served, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: playwright.Browser, address: str) -> Iterator[playwright.Page]:
    """The page, ready; whatever it reports as an error fails the test."""
    opened = browser.new_page(viewport={"width": 1200, "height": 760})
    opened.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    requested: list[str] = []
    opened.on("request", lambda request: requested.append(request.url))
    opened.goto(address)
    expect(opened.locator("body")).to_have_attribute("data-ready", "yes")
    yield opened
    assert not problems
    assert all(url.startswith((address, "blob:", "data:")) for url in requested)
    opened.close()


def open_photo(page: playwright.Page, data: bytes | None = None, name: str = "photo.png") -> None:
    file = {"name": name, "mimeType": "image/png", "buffer": data or photo_of(0)}
    page.locator("#image-file").set_input_files(file)
    expect(page).to_have_title(f"{name} - isegm")
    expect(page.locator("#finish")).to_be_disabled()


def place_of(page: playwright.Page, y: int, x: int, size: tuple[int, int] = (120, 160)) -> tuple[float, float]:
    """Where an image pixel is on the page while the image fits the window."""
    box = page.locator("#canvas").bounding_box()
    scale = min(box["width"] / size[1], (box["height"] - 34) / size[0]) * 0.96
    left, top = (box["width"] - size[1] * scale) / 2, (box["height"] - 34 - size[0] * scale) / 2
    return box["x"] + left + (x + 0.5) * scale, box["y"] + top + (y + 0.5) * scale


def click(page: playwright.Page, y: int, x: int, button: str = "left") -> None:
    """Click on an image pixel and wait for the answer."""
    count = int(page.locator("body").get_attribute("data-clicks") or 0)
    page.mouse.click(*place_of(page, y, x), button=button)
    expect(page.locator("body")).to_have_attribute("data-clicks", str(count + 1))
    settled(page)


def settled(page: playwright.Page) -> None:
    expect(page.locator("#progress")).to_be_hidden()


def shown(page: playwright.Page) -> np.ndarray:
    """``H W 3``: the canvas as it is seen, without the status line."""
    page.wait_for_timeout(120)  # a frame or two
    seen = np.array(Image.open(io.BytesIO(page.locator("#canvas").screenshot())).convert("RGB")).astype(int)
    return seen[:-STATUS_LINE]


def saved(page: playwright.Page, what: str) -> bytes:
    """What an entry of the save menu makes the browser download."""
    with page.expect_download() as download:
        page.click("#save-button")
        page.click(f"#save >> text={what}")
    settled(page)
    return Path(download.value.path()).read_bytes()


def mask_in(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)))


def test_a_click_shows_a_mask_and_another_changes_it(page: playwright.Page) -> None:
    open_photo(page)
    before = shown(page)
    click(page, 40, 60)
    first = shown(page)
    assert np.abs(first - before).max() > 40
    click(page, 80, 100)
    assert np.abs(shown(page) - first).max() > 40
    expect(page.locator("#latency")).to_contain_text("ms")
    assert page.locator("body").get_attribute("data-area") == str((mask_in(saved(page, "This object")) == 255).sum())


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
    assert [annotation["area"] for annotation in coco["annotations"]] == [mask.sum() for mask in masks]
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


def test_the_crop_is_outlined_and_shown_as_the_network_saw_it(page: playwright.Page) -> None:
    open_photo(page)
    for y, x in ((40, 60), (42, 66), (44, 70)):
        click(page, y, x)
    plain = shown(page)
    page.keyboard.press("c")
    expect(page.locator("#inset-frame")).to_be_visible()
    assert page.evaluate("Math.max(document.getElementById('inset').width, document.getElementById('inset').height)") == 96
    expect(page.locator("#inset-frame figcaption")).to_contain_text("the network saw")
    assert np.abs(shown(page) - plain).max() > 40
    page.keyboard.press("c")
    expect(page.locator("#inset-frame")).to_be_hidden()


def test_what_is_slow_can_be_cancelled_and_nothing_has_changed(page: playwright.Page, slow: threading.Event) -> None:
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
    expect(page.locator("body")).to_have_attribute("data-clicks", "1")  # the click that waited is given up as well
    click(page, 80, 100)


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
        """() => [...document.querySelectorAll("button, input:not([type=file]), select, canvas")].filter((found) =>
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
    page.locator("#session-file").set_input_files({"name": "s.json", "mimeType": "application/json", "buffer": file})
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
    page.locator("#session-file").set_input_files({"name": "s.json", "mimeType": "application/json", "buffer": file})
    expect(page.locator("#work")).to_have_text("replaying: click 0 of 2")
    page.click("#cancel")
    slow.clear()
    expect(page.locator(".toast")).to_contain_text("cancelled")
    settled(page)
    assert page.locator("body").get_attribute("data-area") == area
    click(page, 60, 60)
    assert len(served.state.store) == count


def test_a_broken_file_is_answered_with_a_toast(page: playwright.Page) -> None:
    page.locator("#image-file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no image"})
    expect(page.locator(".toast.error")).to_contain_text("a.png is no image that can be read")
    open_photo(page)  # and everything still works
    click(page, 40, 40)


def test_a_mask_file_is_a_start(page: playwright.Page) -> None:
    open_photo(page)
    mask = np.zeros((120, 160), np.uint8)
    mask[30:70, 40:90] = 255
    page.locator("#mask-file").set_input_files({"name": "m.png", "mimeType": "image/png", "buffer": png(mask)})
    expect(page.locator("body")).to_have_attribute("data-area", str(40 * 50))
    settled(page)
    assert (mask_in(saved(page, "This object")) == mask).all()


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
    first, second = [c[:3] for c in json.loads(saved(page, "Session with its"))["objects"][0]["clicks"]]
    assert first == [59, 78, 1]
    assert second == [59, second[1], 0]
    assert second[1] > 80


def test_a_file_that_is_too_large_is_said_without_sending_it(page: playwright.Page) -> None:
    page.evaluate("import('/static/api.js').then((api) => { api.limits.upload = 66000; })")
    page.locator("#image-file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"x" * 1000})
    expect(page.locator(".toast.error")).to_contain_text("a.png has 1 MiB; at most 0 MiB are accepted")


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
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
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
