"""The API: what a page or a program can do with it, and what it refuses."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_server import app_of, connected, png
from fastapi import Response
from fastapi.testclient import TestClient
from PIL import Image
from pycocotools import mask as coco_mask

from isegm.demo.app import STATIC
from isegm.demo.guard import Guard
from isegm.demo.pictures import FolderPictures


def opened(client: TestClient, photo: bytes, name: str = "photo.png") -> str:
    answer = client.post("/api/sessions", files={"image": (name, photo)})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def do(client: TestClient, key: str, action: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/api/sessions/{key}/{action}", json=body or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def click(client: TestClient, key: str, y: float, x: float, positive: bool = True) -> np.ndarray:
    return mask_of(do(client, key, "clicks", y=y, x=x, positive=positive))


def mask_of(state: dict[str, Any]) -> np.ndarray:
    return pixels(base64.b64decode(state["current"]["mask"])) > 0


def pixels(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)).convert("L"))


def refused(answer: Any, status: int, code: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code
    return answer.json()["error"]


# --- clicks and what can be taken back ----------------------------------------------------------------------------------


def test_a_click_is_answered_with_a_mask(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo)
    mask = click(client, key, 40, 60)
    assert mask.shape == (120, 160)
    assert mask[40, 60]
    assert not mask[40, 90]


def test_undo_and_redo_bring_back_the_exact_masks(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo)
    masks = [click(client, key, y, x, y != 50) for y, x in ((40, 60), (50, 80), (70, 90), (30, 30))]
    for mask in reversed(masks[:-1]):
        assert (mask_of(do(client, key, "undo")) == mask).all()
    assert not mask_of(do(client, key, "undo")).any()
    assert "no click to undo" in refused(client.post(f"/api/sessions/{key}/undo"), 400, "invalid")
    for mask in masks:
        assert (mask_of(do(client, key, "redo")) == mask).all()


def test_undo_is_exact_where_answers_were_forgotten(photo: bytes) -> None:
    with connected(app_of(history_bytes=0)) as client:
        key = opened(client, photo)
        masks = [click(client, key, 10 * i, 20 * i) for i in range(1, 8)]
        for mask in reversed(masks[:-1]):
            assert (mask_of(do(client, key, "undo")) == mask).all()


def test_a_click_after_undo_ends_redo(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo)
    click(client, key, 40, 60)
    click(client, key, 90, 90)
    do(client, key, "undo")
    mask = click(client, key, 40, 120)
    assert not mask[90, 90]
    refused(client.post(f"/api/sessions/{key}/redo"), 400, "invalid")


def test_reset_begins_anew(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo)
    click(client, key, 40, 60)
    state = do(client, key, "reset")
    assert state["current"]["clicks"] == []
    assert not mask_of(state).any()


def test_a_mask_to_start_from_is_corrected(client: TestClient, photo: bytes) -> None:
    start = np.zeros((120, 160), np.uint8)
    start[20:60, 20:60] = 255
    key = opened(client, photo)
    state = client.post(f"/api/sessions/{key}/mask", files={"mask": ("mask.png", png(start))}).json()
    assert (mask_of(state) == (start > 0)).all()
    mask = click(client, key, 30, 30, positive=False)
    assert mask[58, 58]
    assert not mask[30, 30]
    small = client.post(f"/api/sessions/{key}/mask", files={"mask": ("mask.png", png(start[:50]))})
    assert "50 rows" in refused(small, 400, "invalid")


# --- objects and what is saved ------------------------------------------------------------------------------------------


def test_two_objects_are_saved_as_they_were_shown(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo)
    first = click(client, key, 40, 40)
    do(client, key, "finish")
    second = click(client, key, 80, 110)
    state = do(client, key, "finish")
    assert [found["area"] for found in state["objects"]] == [first.sum(), second.sum()]

    at = f"/api/sessions/{key}"
    for number, mask in ((1, first), (2, second)):
        saved = pixels(client.get(f"{at}/objects/{number}/mask.png").content)
        assert set(np.unique(saved)) == {0, 255}
        assert ((saved == 255) == mask).all()
    indexed = Image.open(io.BytesIO(client.get(f"{at}/export/indexed.png").content))
    assert indexed.mode == "P"
    assert (np.array(indexed) == np.where(second, 2, first.astype(int))).all()
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"{at}/export/masks.zip").content))
    assert [(pixels(archive.read(n)) > 0).sum() for n in archive.namelist()] == [first.sum(), second.sum()]
    coco = client.get(f"{at}/export/coco.json").json()
    for annotation, mask in zip(coco["annotations"], (first, second), strict=True):
        runs = coco_mask.frPyObjects(annotation["segmentation"], 120, 160)
        assert (coco_mask.decode(runs).astype(bool) == mask).all()
        assert annotation["bbox"] == coco_mask.toBbox(runs).tolist()
        assert annotation["area"] == mask.sum()


def test_objects_are_deleted_and_keep_their_colours(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo)
    for y in (30, 90):
        click(client, key, y, 40)
        state = do(client, key, "finish")
    colour = state["objects"][1]["colour"]
    state = client.delete(f"/api/sessions/{key}/objects/1").json()
    assert [(found["number"], found["colour"]) for found in state["objects"]] == [(2, colour)]
    refused(client.delete(f"/api/sessions/{key}/objects/1"), 400, "invalid")


def test_nothing_is_finished_or_saved_without_a_mask(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo)
    refused(client.post(f"/api/sessions/{key}/finish"), 400, "invalid")
    refused(client.get(f"/api/sessions/{key}/export/coco.json"), 400, "invalid")


def test_maps_and_crop_are_shown(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo)
    for x in (40, 50, 60):
        state = do(client, key, "clicks", y=60, x=x, positive=True)
    assert state["current"]["layers"] == ["probability", "attention"]
    top, left, bottom, right = state["current"]["view"]["box"]
    assert (bottom - top, right - left) != (120, 160)
    attention = pixels(client.get(f"/api/sessions/{key}/layers/1.png").content)
    assert attention[60, 50] > 250
    outside = np.ones((120, 160), bool)
    outside[top:bottom, left:right] = False
    assert not attention[outside].any()
    refused(client.get(f"/api/sessions/{key}/layers/2.png"), 404, "http_404")


# --- settings -----------------------------------------------------------------------------------------------------------


def test_settings_answer_the_clicks_again(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo)
    before = click(client, key, 40, 60)
    click(client, key, 80, 120)
    state = client.put(f"/api/sessions/{key}/settings", json={"net_clicks": 1}).json()
    assert (mask_of(state) == before).all()
    assert len(state["current"]["clicks"]) == 2


def test_a_higher_threshold_shrinks_the_mask(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo)
    before = click(client, key, 40, 60)
    after = mask_of(client.put(f"/api/sessions/{key}/settings", json={"threshold": 0.9}).json())
    assert after.any()
    assert after.sum() < before.sum()


@pytest.mark.parametrize("changes", [{"treshold": 0.4}, {"threshold": 2}, {"threshold": "0.4"}, {"mirror": 1}, {"window": 0.3}])
def test_wrong_settings_change_nothing(client: TestClient, photo: bytes, changes: dict[str, Any]) -> None:
    key = opened(client, photo)
    before = client.get(f"/api/sessions/{key}").json()["settings"]
    refused(client.put(f"/api/sessions/{key}/settings", json=changes), 400, "invalid")
    assert client.get(f"/api/sessions/{key}").json()["settings"] == before


# --- session files ------------------------------------------------------------------------------------------------------


def recorded(client: TestClient, photo: bytes) -> tuple[str, bytes]:
    key = opened(client, photo)
    click(client, key, 40, 40)
    click(client, key, 45, 60, positive=False)
    do(client, key, "finish")
    client.put(f"/api/sessions/{key}/settings", json={"threshold": 0.3})
    click(client, key, 80, 110)
    return key, client.get(f"/api/sessions/{key}/export/session.json").content


def test_a_replay_equals_the_live_session(client: TestClient, photo: bytes) -> None:
    key, file = recorded(client, photo)
    live = client.get(f"/api/sessions/{key}").json()
    answer = client.post("/api/sessions/replay", files={"session": ("s.json", file)}).json()
    assert answer["notice"] == ""
    for part in ("settings", "objects", "current", "image"):
        assert answer[part] == live[part]


def test_a_replay_on_the_open_image_says_what_differs(client: TestClient, photo: bytes) -> None:
    _, file = recorded(client, photo)
    data = json.loads(file)
    del data["image"]["data"]
    data["checkpoint"]["sha256"] = "0"
    files = {"session": ("s.json", json.dumps(data).encode())}
    assert "open photo.png first" in refused(client.post("/api/sessions/replay", files=files), 400, "invalid")
    other = opened(client, png(255 - np.array(Image.open(io.BytesIO(photo)))))
    answer = client.post(f"/api/sessions/{other}/replay", files=files).json()
    assert "another checkpoint" in answer["notice"]
    assert "another image" in answer["notice"]
    assert "masks differ" not in answer["notice"]


def test_settings_of_another_method_are_left_out_and_said(client: TestClient, photo: bytes) -> None:
    key, file = recorded(client, photo)
    data, live = json.loads(file), client.get(f"/api/sessions/{key}").json()
    for found in data["objects"]:
        found["settings"] |= {"window": 0.3, "mode": "f-BRS-B"}
    data["protocol"] = {"name": "my.file", "dataset": None, "label": "mine v3"}
    files = {"session": ("s.json", json.dumps(data).encode())}
    answer = client.post("/api/sessions/replay", files=files).json()
    assert "no setting mode, window" in answer["notice"]
    assert "another protocol (mine v3, now ritm v1)" in answer["notice"]
    assert answer["settings"] == live["settings"]
    assert answer["current"]["mask"] == live["current"]["mask"]


def damaged(data: dict[str, Any], path: list[Any], value: Any) -> dict[str, Any]:
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["kind"], "pickle"),
        (["schema"], 99),
        (["image", "size"], [1, 1]),
        (["image", "size"], [65535, 65535]),
        (["image", "data"], "%%%"),
        (["image", "data"], base64.b64encode(b"no image").decode()),
        (["objects", 0, "clicks"], [[1e9, 0, 1]]),
        (["objects", 0, "clicks"], [[1, 1, 7]]),
        (["objects", 0, "clicks"], [["a", 1, 1]]),
        (["objects", 0, "clicks"], [[1, 1, 1]] * 1000),
        (["objects", 0, "mask", "counts"], [10**12]),
        (["objects", 0, "mask", "counts"], [-5, 5]),
        (["objects", 0, "mask", "size"], [10**6, 10**6]),
        (["objects", 0, "settings"], {"size": 10**9}),
        (["objects", 0], 3),
        (["protocol", "name"], "../../etc/passwd"),
    ],
)
def test_damaged_session_files_are_refused(client: TestClient, photo: bytes, path: list[Any], value: Any) -> None:
    _, file = recorded(client, photo)
    data = json.dumps(damaged(json.loads(file), path, value)).encode()
    count = len(client.app.state.store)
    refused(client.post("/api/sessions/replay", files={"session": ("s.json", data)}), 400, "invalid")
    assert len(client.app.state.store) == count


def test_a_few_runs_may_not_stand_for_any_number_of_pixels(client: TestClient, photo: bytes) -> None:
    data, side = json.loads(recorded(client, photo)[1]), 60_000
    data["image"]["size"] = [side, side]
    for found in data["objects"]:
        found["clicks"], found["mask"] = [], {"size": [side, side], "counts": [side * side]}
    files = {"session": ("s.json", json.dumps(data).encode())}
    assert "pixels are read in all" in refused(client.post("/api/sessions/replay", files=files), 400, "invalid")


def test_a_replay_that_leaves_no_mask_says_so(client: TestClient, photo: bytes) -> None:
    data = json.loads(recorded(client, photo)[1])
    data["objects"][0]["clicks"] = [[40, 40, 0]]
    files = {"session": ("s.json", json.dumps(data).encode())}
    assert "object 1 has no mask" in refused(client.post("/api/sessions/replay", files=files), 400, "invalid")


@pytest.mark.parametrize("data", [b"", b"[]", b"\x80\x04\x95", b"[" * 100_000, b"null"])
def test_what_is_no_session_file_is_refused(client: TestClient, data: bytes) -> None:
    refused(client.post("/api/sessions/replay", files={"session": ("s.json", data)}), 400, "invalid")


# --- what users send ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"no image", b"\x80\x04\x95pickle", b"\x89PNG\r\n\x1a\n", b"<svg/>"])
def test_what_is_no_image_is_refused(client: TestClient, data: bytes) -> None:
    refused(client.post("/api/sessions", files={"image": ("a.png", data)}), 400, "invalid")


def test_a_mask_of_another_size_is_refused_with_both_sizes(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo)
    mask = png(np.full((500, 400), 255, np.uint8))
    said = refused(client.post(f"/api/sessions/{key}/mask", files={"mask": ("m.png", mask)}), 400, "invalid")
    assert said == "m.png has 500 rows and 400 columns, the image 120 and 160"


def test_a_cut_off_image_is_refused(client: TestClient, photo: bytes) -> None:
    refused(client.post("/api/sessions", files={"image": ("a.png", photo[: len(photo) // 2])}), 400, "invalid")


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    bomb = png(np.zeros((3000, 3000), np.uint8))
    assert len(bomb) < 20_000
    with connected(app_of(pixels=1_000_000)) as client:
        assert "3000 x 3000" in refused(client.post("/api/sessions", files={"image": ("b.png", bomb)}), 400, "invalid")


def test_large_requests_are_refused() -> None:
    with connected(app_of(upload_bytes=10_000)) as client:
        refused(client.post("/api/sessions", files={"image": ("a.png", b"x" * 20_000)}), 413, "too_large")
        chunks = (b"x" * 1000 for _ in range(20))  # sent without a length
        headers = {"content-type": "multipart/form-data; boundary=b"}
        refused(client.post("/api/sessions", content=chunks, headers=headers), 413, "http_413")


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
    refused(client.post(f"/api/sessions/{key}/clicks", content=body, headers=headers), 422, "malformed")


@pytest.mark.parametrize(("y", "x"), [(-1, 5), (5, -0.1), (120, 5), (5, 160), (1e308, 0)])
def test_clicks_outside_the_image_are_refused(client: TestClient, photo: bytes, y: float, x: float) -> None:
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


def test_a_name_with_folders_is_only_a_name(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo, "..\\..\\etc/x;=\u00e9 y.png")
    click(client, key, 40, 40)
    disposition = client.get(f"/api/sessions/{key}/mask.png").headers["content-disposition"]
    assert disposition == 'attachment; filename="x_y_mask.png"'


# --- who asks -----------------------------------------------------------------------------------------------------------


def test_other_hosts_and_origins_are_refused(client: TestClient) -> None:
    refused(client.get("/api/info", headers={"host": "evil.example"}), 400, "wrong_host")
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        refused(client.post("/api/sessions/x/undo", headers={"origin": origin}), 403, "wrong_origin")
    refused(client.post("/api/sessions/x/undo", headers={"origin": "http://127.0.0.1:8080"}), 404, "stale_session")


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


# --- sessions -----------------------------------------------------------------------------------------------------------


def test_stale_sessions_are_said_to_be_so(photo: bytes) -> None:
    with connected(app_of(idle_seconds=0.2)) as client:
        key = opened(client, photo)
        time.sleep(0.6)
        assert len(client.app.state.store) == 0
        assert "idle" in refused(client.post(f"/api/sessions/{key}/undo"), 404, "stale_session")
        for path in ("mask.png", "export/coco.json"):
            refused(client.get(f"/api/sessions/{key}/{path}"), 404, "stale_session")


def test_the_number_of_sessions_is_limited(photo: bytes) -> None:
    with connected(app_of(sessions=2)) as client:
        first, _ = opened(client, photo), opened(client, photo)
        refused(client.post("/api/sessions", files={"image": ("a.png", photo)}), 503, "busy")
        assert client.post(f"/api/sessions/{first}/close").json() == {"closed": True}
        opened(client, photo)


def test_many_users_at_once_get_their_own_masks(client: TestClient, photo: bytes) -> None:
    places = [(20 + 10 * i, 20 + 15 * i) for i in range(8)]
    alone = []
    for y, x in places:
        key = opened(client, photo)
        alone.append(click(client, key, y, x))
    keys = [opened(client, photo) for _ in places]
    found: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: click(client, keys[i], *places[i])})) for i in range(len(places))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, mask in enumerate(alone):
        assert (found[i] == mask).all()


def waiting_clicks(client: TestClient, keys: list[str], each: int, found: list[int]) -> list[threading.Thread]:
    """So many clicks in each of these sessions, sent and waiting."""
    body = {"y": 30, "x": 40, "positive": True}

    def send(key: str) -> None:
        found.append(client.post(f"/api/sessions/{key}/clicks", json=body).status_code)

    threads = [threading.Thread(target=send, args=(key,)) for key in keys for _ in range(each)]
    for thread in threads:
        thread.start()
    until(lambda: all(client.app.state.store._slots[key].waiting == each for key in keys))
    return threads


def until(true: Any) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_requests_that_wait_for_their_session_do_not_hold_up_others(photo: bytes) -> None:
    with connected(app_of(waiting=8)) as client, contextlib.ExitStack() as held:
        keys, other = [opened(client, photo) for _ in range(6)], opened(client, photo)
        for key in keys:
            held.enter_context(client.app.state.store.use(key))
        found: list[int] = []
        threads = waiting_clicks(client, keys, 8, found)  # more than the 40 threads of a server by default
        said = refused(client.post(f"/api/sessions/{keys[0]}/undo"), 429, "crowded")
        assert "8 requests of this session are waiting" in said
        assert client.get("/").status_code == 200
        assert click(client, other, 40, 60)[40, 60]
        held.close()
        for thread in threads:
            thread.join()
    assert found == [200] * 48


def test_a_session_answers_while_a_file_is_replayed_in_it(client: TestClient, photo: bytes) -> None:
    key, file = recorded(client, photo)
    live, store = client.get(f"/api/sessions/{key}").json(), client.app.state.store
    files, found = {"session": ("s.json", file)}, []

    def replay() -> None:
        found.append(client.post(f"/api/sessions/{key}/replay", files=files))

    for action in ("reset", "close"):
        thread = threading.Thread(target=replay)
        with store.turn():
            thread.start()
            until(lambda: store.peek(key).progress.total == 3)
            assert client.get(f"/api/sessions/{key}").json()["objects"] == live["objects"]
            refused(client.post(f"/api/sessions/{key}/replay", files=files), 429, "crowded")
            client.post(f"/api/sessions/{key}/{action}")
        thread.join()
    for part in ("objects", "current"):
        assert found[0].json()[part] == live[part]
    refused(found[1], 404, "stale_session")


def test_clicks_of_one_session_are_answered_one_after_another(client: TestClient, photo: bytes) -> None:
    key = opened(client, photo)
    threads = [threading.Thread(target=click, args=(client, key, 10 + 12 * i, 20)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(client.get(f"/api/sessions/{key}").json()["current"]["clicks"]) == 6
