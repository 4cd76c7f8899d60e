"""What the API refuses: of what users send, and of who asks."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from demo_requests import click, opened, refused
from demo_server import app_of, connected, png
from fastapi import Response
from fastapi.testclient import TestClient

from isegm.core.errors import IsegmError
from isegm.demo.app import STATIC
from isegm.demo.guard import SMALL, Guard
from isegm.demo.pictures import FolderPictures

# --- what users send ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"", b"no image", b"\x80\x04\x95pickle", b"\x89PNG\r\n\x1a\n", b"<svg/>"]
)
def test_what_is_no_image_is_refused(client: TestClient, data: bytes) -> None:
    refused(client.post("/api/sessions", files={"image": ("a.png", data)}), 400, "invalid")


def test_a_mask_of_another_size_is_refused_with_both_sizes(
    client: TestClient, photo: bytes
) -> None:
    key = opened(client, photo)
    mask = png(np.full((500, 400), 255, np.uint8))
    said = refused(
        client.post(f"/api/sessions/{key}/mask", files={"mask": ("m.png", mask)}), 400, "invalid"
    )
    assert said == "m.png has 500 rows and 400 columns, the image 120 and 160"


def test_a_cut_off_image_is_refused(client: TestClient, photo: bytes) -> None:
    refused(
        client.post("/api/sessions", files={"image": ("a.png", photo[: len(photo) // 2])}),
        400,
        "invalid",
    )


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    bomb = png(np.zeros((3000, 3000), np.uint8))
    assert len(bomb) < 20_000
    with connected(app_of(pixels=1_000_000)) as client:
        assert "3000 x 3000" in refused(
            client.post("/api/sessions", files={"image": ("b.png", bomb)}), 400, "invalid"
        )


def test_large_requests_are_refused() -> None:
    with connected(app_of(upload_bytes=10_000)) as client:
        refused(
            client.post("/api/sessions", files={"image": ("a.png", b"x" * 20_000)}),
            413,
            "too_large",
        )
        chunks = (b"x" * 1000 for _ in range(20))  # sent without a length
        headers = {"content-type": "multipart/form-data; boundary=b"}
        refused(client.post("/api/sessions", content=chunks, headers=headers), 413, "http_413")


def test_what_is_no_upload_must_be_small(client: TestClient, photo: bytes) -> None:
    path = f"/api/sessions/{opened(client, photo)}/settings"
    refused(client.put(path, json={"mode": ["x" * SMALL]}), 413, "too_large")
    chunks = (b"[" * 1000 for _ in range(SMALL // 1000 + 1))
    refused(
        client.put(path, content=chunks, headers={"content-type": "application/json"}),
        413,
        "http_413",
    )
    answer = client.put(path, json={"x" * (SMALL - 100): 1})
    assert len(refused(answer, 400, "invalid")) < 1000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b'{"y": 1}',
        b'{"y": "1", "x": 1, "positive": true}',
        b'{"y": NaN, "x": 1, "positive": true}',
        b'{"y": Infinity, "x": 1, "positive": true}',
        b'{"y": 1, "x": 1, "positive": 1}',
        b'{"y": 1, "x": 1, "positive": true, "z": 1}',
    ],
)
def test_malformed_clicks_are_refused(client: TestClient, photo: bytes, body: bytes) -> None:
    key = opened(client, photo)
    headers = {"content-type": "application/json"}
    refused(
        client.post(f"/api/sessions/{key}/clicks", content=body, headers=headers), 422, "malformed"
    )


@pytest.mark.parametrize(("y", "x"), [(-1, 5), (5, -0.1), (120, 5), (5, 160), (1e308, 0)])
def test_clicks_outside_the_image_are_refused(
    client: TestClient, photo: bytes, y: float, x: float
) -> None:
    key = opened(client, photo)
    answer = client.post(f"/api/sessions/{key}/clicks", json={"y": y, "x": x, "positive": True})
    assert "outside" in refused(answer, 400, "invalid")


def test_the_folder_is_offered_and_nothing_else(folder: Path) -> None:
    with connected(app_of(FolderPictures(folder))) as client:
        assert client.get("/api/info").json()["pictures"] == ["a photo.png"]
        assert client.post("/api/sessions/picture", json={"name": "a photo.png"}).status_code == 200
        assert client.get("/api/pictures/0.jpg").headers["content-type"] == "image/jpeg"
        for name in ("../secret.png", "link.png", str(folder.parent / "secret.png"), "", "."):
            refused(client.post("/api/sessions/picture", json={"name": name}), 400, "invalid")
        for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"):
            assert client.get(path).status_code == 404


def test_the_list_follows_the_folder(folder: Path, photo: bytes) -> None:
    pictures = FolderPictures(folder)
    assert pictures.names() == ["a photo.png"]
    assert pictures.names() is pictures.names()
    (folder / "more.png").write_bytes(photo)
    os.utime(folder, (0, 0))  # a clock may stand still between two writes
    assert pictures.names() == ["a photo.png", "more.png"]
    (folder / "more.png").unlink()
    (folder / "more.png").symlink_to(folder.parent / "secret.png")
    os.utime(folder, (0, 0))
    with pytest.raises(IsegmError, match="unknown picture"):
        pictures.read("more.png")


def test_a_folder_that_goes_away_leaves_the_page(folder: Path, photo: bytes) -> None:
    with connected(app_of(FolderPictures(folder))) as client:
        key = opened(client, photo)
        folder.rename(folder.with_name("elsewhere"))
        assert client.get("/api/info").json()["pictures"] == []
        refused(client.post("/api/sessions/picture", json={"name": "a photo.png"}), 400, "invalid")
        click(client, key, 40, 40)


@pytest.mark.parametrize(
    "limit", [{"sessions": 0}, {"parallel": 0}, {"idle_seconds": float("nan")}, {"pixels": -1}]
)
def test_limits_within_which_nothing_can_be_done_are_refused(limit: dict[str, float]) -> None:
    with pytest.raises(IsegmError, match=next(iter(limit))):
        app_of(**limit)


def test_a_name_with_folders_is_only_a_name(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo, "..\\..\\etc/x;=\u00e9 y.png")
    click(client, key, 40, 40)
    disposition = client.get(f"/api/sessions/{key}/mask.png").headers["content-disposition"]
    assert disposition == 'attachment; filename="x_y_mask.png"'


# --- who asks -------------------------------------------------------------------------------------


def test_other_hosts_and_origins_are_refused(client: TestClient) -> None:
    refused(client.get("/api/info", headers={"host": "evil.example"}), 400, "wrong_host")
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        refused(
            client.post("/api/sessions/x/undo", headers={"origin": origin}), 403, "wrong_origin"
        )
    refused(
        client.post("/api/sessions/x/undo", headers={"origin": "http://127.0.0.1:8080"}),
        404,
        "stale_session",
    )


def test_an_allowed_host_may_be_written_in_any_case() -> None:
    client = connected(Guard(Response("ok"), ["GpuBox.example"], 1 << 20))
    assert client.get("/", headers={"host": "GPUBOX.example:8080"}).status_code == 200
    refused(client.get("/", headers={"host": "evil.example"}), 400, "wrong_host")


def test_the_page_may_load_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for file in STATIC.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|url\(|@import|[\"']//", text), file.name
        assert client.get(f"/static/{file.name}").status_code == 200
