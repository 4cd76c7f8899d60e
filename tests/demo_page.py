"""Driving the page in a real browser, as a user would; whoever imports this is skipped where there
is none.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from demo_server import photo_of
from PIL import Image

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
if CHROMIUM is None:
    pytest.skip("there is no Chromium", allow_module_level=True)
expect = playwright.expect
STATUS_LINE = 34  # pixels
PATIENCE = 60_000  # milliseconds: machines that run tests are busy


def open_photo(page: playwright.Page, data: bytes | None = None, name: str = "photo.png") -> None:
    file = {"name": name, "mimeType": "image/png", "buffer": data or photo_of(0)}
    page.locator("#image-file").set_input_files(file)
    expect(page).to_have_title(f"{name} - isegm")
    expect(page.locator("#finish")).to_be_disabled()


def place_of(
    page: playwright.Page, y: int, x: int, size: tuple[int, int] = (120, 160)
) -> tuple[float, float]:
    """Where an image pixel is on the page while the image fits the window."""
    box = page.locator("#canvas").bounding_box()
    scale = min(box["width"] / size[1], (box["height"] - STATUS_LINE) / size[0]) * 0.96
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
    seen = np.array(
        Image.open(io.BytesIO(page.locator("#canvas").screenshot())).convert("RGB")
    ).astype(int)
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
