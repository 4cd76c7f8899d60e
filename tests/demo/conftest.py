"""A server, a client, a browser and pictures. Without the extra ``demo`` there is nothing to test
here.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from playwright.sync_api import Browser, Page

if not all(
    importlib.util.find_spec(name) for name in ("fastapi", "uvicorn", "python_multipart", "httpx")
):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def photo() -> bytes:
    from demo_server import photo_of

    return photo_of(0)


@pytest.fixture
def client() -> Iterator[TestClient]:
    from demo_server import app_of, connected

    with connected(app_of()) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path, photo: bytes) -> Path:
    """A folder of pictures beside something that is none of the visitor's business."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a photo.png").write_bytes(photo)
    (tmp_path / "secret.png").write_bytes(photo)
    (tmp_path / "photos" / "link.png").symlink_to(tmp_path / "secret.png")
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def served() -> FastAPI:
    """What a browser of a whole file of tests is connected to."""
    from demo_server import app_of

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
    import uvicorn

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
def browser() -> Iterator[Browser]:
    from demo_page import CHROMIUM, playwright

    arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, ready; whatever it reports as an error fails the test."""
    from demo_page import PATIENCE, expect

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
