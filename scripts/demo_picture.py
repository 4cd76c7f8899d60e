"""Click in the demo as a person would, in a headless browser, and take a picture of the page.

    python scripts/demo_picture.py --out assets/demo.png
    python scripts/demo_picture.py --picture photo.jpg --out page.png \\
        --clicks "80,120,1 200,60,0 / 40,300,1"

Clicks are y,x,label in image pixels, 1 on the object and 0 off it; a slash begins the next object.
It needs the demo (pip install -e '.[demo]'), Playwright and an installed Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import Formatter, run
from isegm.core.errors import IsegmError

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PHOTO = ROOT / "assets/photos/astronaut.jpg"
CLICKS = "335,169,1 82,233,1 / 189,415,1 100,210,0 200,450,1"
STATUS_LINE = 34  # pixels below the canvas
PATIENCE = 300  # seconds


def parse_args() -> argparse.Namespace:
    lines = __doc__.split("\n")
    parser = argparse.ArgumentParser(description=lines[0], formatter_class=Formatter)
    parser.add_argument("--checkpoint", default="starter", help="a file, or a name")
    parser.add_argument("--picture", type=Path, default=PHOTO)
    parser.add_argument("--clicks", default=CLICKS, help='"y,x,label y,x,label / y,x,label"')
    parser.add_argument("--width", type=int, default=1280, help="of the window, in pixels")
    parser.add_argument("--height", type=int, default=800)
    parser.add_argument("--out", type=Path, required=True, help=".png")
    return parser.parse_args()


def parse_clicks(text: str) -> list[list[tuple[int, int, bool]]]:
    """The clicks of each object: (y, x, on the object?)."""
    try:
        objects = [
            [tuple(int(number) for number in click.split(",")) for click in part.split()]
            for part in text.split("/")
        ]
        return [[(y, x, label == 1) for y, x, label in clicks] for clicks in objects]
    except ValueError:
        raise IsegmError(f'--clicks {text!r}: expected "y,x,label y,x,label / ..."') from None


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]


def wait_for(server: subprocess.Popen, address: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)
    if server.poll() is not None:
        raise IsegmError("the demo ended; what it printed above says why")
    raise IsegmError(f"the demo did not answer at {address} within {PATIENCE} seconds")


def shape_of(picture: Path) -> tuple[int, ...]:
    image = cv2.imread(str(picture))
    if image is None:
        raise IsegmError(f"{picture} is not an image that OpenCV reads")
    return image.shape


def installed_browser() -> str:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise IsegmError(f"no browser: looked for {', '.join(BROWSERS)}")
    return path


def click_and_show(args: argparse.Namespace, address: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    shape, browser_path, objects = (
        shape_of(args.picture),
        installed_browser(),
        parse_clicks(args.clicks),
    )
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": args.width, "height": args.height})
        page.goto(address)
        page.locator("#image-file").set_input_files(args.picture)
        expect(page).to_have_title(f"{args.picture.name} - isegm")
        for number, clicks in enumerate(objects):
            if number:
                page.keyboard.press("n")
            for made, (y, x, positive) in enumerate(clicks, 1):
                place = _on_page(page.locator("#canvas").bounding_box(), shape, y, x)
                page.mouse.click(*place, button="left" if positive else "right")
                body = page.locator("body")
                expect(body).to_have_attribute("data-clicks", str(made), timeout=1000 * PATIENCE)
                expect(page.locator("#progress")).to_be_hidden(timeout=1000 * PATIENCE)
        page.mouse.move(5, 5)
        page.wait_for_timeout(500)
        page.screenshot(path=str(args.out))
        browser.close()


def _on_page(box: dict[str, float], shape: tuple[int, ...], y: int, x: int) -> tuple[float, float]:
    """Where an image pixel is on the page while the whole image fits the window."""
    height, width = shape[:2]
    scale = min(box["width"] / width, (box["height"] - STATUS_LINE) / height) * 0.96
    left = (box["width"] - width * scale) / 2
    top = (box["height"] - STATUS_LINE - height * scale) / 2
    return box["x"] + left + (x + 0.5) * scale, box["y"] + top + (y + 0.5) * scale


def main() -> None:
    args = parse_args()
    shape_of(args.picture)
    parse_clicks(args.clicks)
    installed_browser()  # mistakes are answered before the server starts
    port = free_port()
    command = [sys.executable, str(ROOT / "scripts/demo.py"), "--cpu", "--port", str(port)]
    with subprocess.Popen([*command, "--checkpoint", args.checkpoint]) as server:
        try:
            address = f"http://127.0.0.1:{port}/"
            wait_for(server, address)
            click_and_show(args, address)
        finally:
            server.terminate()


if __name__ == "__main__":
    raise SystemExit(run(main))
