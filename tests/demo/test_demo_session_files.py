"""Session files: a replay equals the live session, and what is no session file is refused."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from demo_requests import opened, recorded, refused
from demo_server import png
from fastapi.testclient import TestClient
from PIL import Image


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
    assert "open photo.png first" in refused(
        client.post("/api/sessions/replay", files=files), 400, "invalid"
    )
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
        (["objects", 0, "clicks"], [[10**400, 1, 1]]),
        (["objects", 0, "clicks"], [[1, 1, 10**400]]),
        (["objects", 0, "clicks"], [[float("nan"), 1, 1]]),
        (["objects", 0, "clicks"], [["a", 1, 1]]),
        (["objects", 0, "clicks"], [[1, 1, 1]] * 1000),
        (["objects", 0, "mask", "counts"], [10**12]),
        (["objects", 0, "mask", "counts"], [-5, 5]),
        (["objects", 0, "mask", "size"], [10**6, 10**6]),
        (["objects", 0, "settings"], {"size": 10**9}),
        (["objects", 0, "settings"], {"sis": "\ud800" * 10**6}),
        (["objects", 0], 3),
        (["protocol", "name"], "../../etc/passwd"),
    ],
)
def test_damaged_session_files_are_refused(
    client: TestClient, photo: bytes, path: list[Any], value: Any
) -> None:
    _, file = recorded(client, photo)
    data = json.dumps(damaged(json.loads(file), path, value)).encode()
    count = len(client.app.state.store)
    refused(
        client.post("/api/sessions/replay", files={"session": ("s.json", data)}), 400, "invalid"
    )
    assert len(client.app.state.store) == count


def test_a_few_runs_may_not_stand_for_any_number_of_pixels(
    client: TestClient, photo: bytes
) -> None:
    data, side = json.loads(recorded(client, photo)[1]), 60_000
    data["image"]["size"] = [side, side]
    for found in data["objects"]:
        found["clicks"], found["mask"] = [], {"size": [side, side], "counts": [side * side]}
    files = {"session": ("s.json", json.dumps(data).encode())}
    assert "pixels are read in all" in refused(
        client.post("/api/sessions/replay", files=files), 400, "invalid"
    )


def test_a_replay_that_leaves_no_mask_says_so(client: TestClient, photo: bytes) -> None:
    data = json.loads(recorded(client, photo)[1])
    data["objects"][0]["clicks"] = [[40, 40, 0]]
    files = {"session": ("s.json", json.dumps(data).encode())}
    assert "object 1 has no mask" in refused(
        client.post("/api/sessions/replay", files=files), 400, "invalid"
    )


def test_names_that_no_page_or_terminal_can_show_are_made_readable(
    client: TestClient, photo: bytes
) -> None:
    data = json.loads(recorded(client, photo)[1])
    strange = "a\ud800\x1b[2J\N{GRINNING FACE}.png"
    data["image"]["name"] = data["checkpoint"]["name"] = data["objects"][0]["name"] = strange
    data["checkpoint"]["sha256"] = "of another"
    data["objects"][0]["settings"][strange] = 1
    answer = client.post(
        "/api/sessions/replay", files={"session": ("s.json", json.dumps(data).encode())}
    )
    assert answer.status_code == 200
    shown = "a\ufffd\ufffd[2J\N{GRINNING FACE}.png"
    assert answer.json()["image"]["name"] == shown
    assert f"another checkpoint ({shown})" in answer.json()["notice"]
    assert f"no setting {shown}" in answer.json()["notice"]


@pytest.mark.parametrize("data", [b"", b"[]", b"\x80\x04\x95", b"[" * 100_000, b"null"])
def test_what_is_no_session_file_is_refused(client: TestClient, data: bytes) -> None:
    refused(
        client.post("/api/sessions/replay", files={"session": ("s.json", data)}), 400, "invalid"
    )
