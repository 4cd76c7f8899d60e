"""The page without a server, in a real browser: the same masks as the server's network gives, and
nothing from another host.
"""

from __future__ import annotations

import base64
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_page import expect, mask_in, playwright, saved
from PIL import Image

pytest.importorskip("onnxscript")

import isegm
from isegm.core.errors import IsegmError
from isegm.demo.browser_page import ARCHIVE, build
from isegm.inference.protocol import load_protocol
from isegm.methods.checkpoints import find_checkpoint
from isegm.originals.loading import load_model
from isegm.utils.config import REPOSITORY, load_config
from isegm.zoo.files import weights_folder

PHOTO = "cat.jpg"
CLICKS = ((150, 225, True), (240, 140, True), (10, 10, False), (90, 180, True), (270, 400, False))
ANSWERS = """async ([pixels, height, width, clicks]) => {
  const { Network } = await import("./network.js");
  const network = await Network.load(await (await fetch("model.json")).json());
  const data = Uint8ClampedArray.from(atob(pixels), (character) => character.charCodeAt(0));
  let session = network.start(new ImageData(data, width, height));
  const answers = [];
  for (const [y, x, positive] of clicks) {
    session = await network.click(session, { y, x, positive });
    answers.push({ box: session.view.box, prob: Array.from(session.prob) });
  }
  return answers;
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = weights_folder(load_config())
    if not (cache / ARCHIVE).is_file():
        pytest.skip(f"{ARCHIVE} is not in {cache}; isegm demo --static downloads it")
    out = tmp_path_factory.mktemp("site")
    loaded = load_model(find_checkpoint({}, "starter"))
    build(out, loaded, load_protocol("starter"), cache)
    return out


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """A static host: no isolation headers, so the page has one thread."""
    handler = functools.partial(_Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def pixels() -> np.ndarray:
    return np.array(Image.open(REPOSITORY / "assets/photos" / PHOTO).convert("RGB"))


def test_the_masks_are_those_of_the_package(page: playwright.Page) -> None:
    image = pixels()
    opaque = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    sent = base64.b64encode(opaque.tobytes()).decode()
    answers = page.evaluate(ANSWERS, [sent, *image.shape[:2], [list(c) for c in CLICKS]])
    engine = isegm.Engine(device="cpu")
    session = engine.start(image, "RGB")
    for click, answer in zip(CLICKS, answers, strict=True):
        session = engine.click(session, *click)
        assert answer["box"] == list(session.state.view)
        prob = np.array(answer["prob"], np.float32).reshape(session.size)
        np.testing.assert_allclose(prob, session.prob, rtol=0, atol=1e-3)
    whole = [0, 0, *image.shape[:2]]
    assert any(answer["box"] != whole for answer in answers)  # it zoomed in
    assert answers[0]["box"] == whole


def test_a_visitor_clicks_undoes_and_saves(page: playwright.Page) -> None:
    page.click(f"#gallery button[title='{PHOTO}']")
    body, canvas = page.locator("body"), page.locator("#canvas").bounding_box()
    expect(body).to_have_attribute("data-clicks", "0")
    places = ((0.5, 0.5, "left"), (0.45, 0.7, "left"), (0.3, 0.2, "right"))
    areas = []
    for count, (x, y, button) in enumerate(places, 1):
        at = canvas["x"] + x * canvas["width"], canvas["y"] + y * canvas["height"]
        page.mouse.click(*at, button=button)
        expect(body).to_have_attribute("data-clicks", str(count))
        expect(page.locator("#progress")).to_be_hidden()
        areas.append(int(body.get_attribute("data-area")))
    expect(page.locator("#latency")).to_contain_text("network")
    mask = mask_in(saved(page, "This object"))[..., 0]
    assert (mask == 255).sum() == areas[-1] > 0
    page.click("#undo")
    expect(body).to_have_attribute("data-area", str(areas[1]))
    page.click("#redo")
    expect(body).to_have_attribute("data-area", str(areas[2]))
    page.click("#finish")
    expect(page.locator("#object-count")).to_have_text("1")
    expect(body).to_have_attribute("data-clicks", "0")
    expect(page.locator("#load-session")).to_be_hidden()  # needs a server


def test_a_protocol_that_the_page_cannot_follow(tmp_path: Path) -> None:
    loaded = load_model(find_checkpoint({}, "starter"))
    protocol = load_protocol("fcanet")
    with pytest.raises(IsegmError, match=r"fcanet v2 asks: view rule whole_image.*isegm demo"):
        build(tmp_path / "site", loaded, protocol, tmp_path)
