"""Many sessions and many requests at once."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import numpy as np
from demo_requests import click, opened, recorded, refused
from demo_server import app_of, connected
from fastapi.testclient import TestClient


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


def test_an_image_in_place_of_another_opens_where_there_is_no_room(photo: bytes) -> None:
    with connected(app_of(sessions=1)) as client:
        first = opened(client, photo)
        broken = client.post(
            f"/api/sessions?instead={first}", files={"image": ("a.png", b"no image")}
        )
        refused(broken, 400, "invalid")
        assert (
            client.get(f"/api/sessions/{first}").status_code == 200
        )  # it stays where nothing takes its place
        answer = client.post(f"/api/sessions?instead={first}", files={"image": ("a.png", photo)})
        assert answer.status_code == 200, answer.text
        refused(client.get(f"/api/sessions/{first}"), 404, "stale_session")
        refused(
            client.post(f"/api/sessions?instead={first}", files={"image": ("a.png", photo)}),
            503,
            "busy",
        )
        second = answer.json()["id"]
        answer = client.post(
            f"/api/sessions/picture?instead={second}", json={"name": "scene 1.png"}
        )
        assert answer.status_code == 200, answer.text
        assert len(client.app.state.store) == 1


def test_many_users_at_once_get_their_own_masks(client: TestClient, photo: bytes) -> None:
    places = [(20 + 10 * i, 20 + 15 * i) for i in range(8)]
    alone = []
    for y, x in places:
        key = opened(client, photo)
        alone.append(click(client, key, y, x))
    keys = [opened(client, photo) for _ in places]
    found: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: click(client, keys[i], *places[i])}))
        for i in range(len(places))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, mask in enumerate(alone):
        assert (found[i] == mask).all()


def waiting_clicks(
    client: TestClient, keys: list[str], each: int, found: list[int]
) -> list[threading.Thread]:
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
        threads = waiting_clicks(
            client, keys, 8, found
        )  # more than the 40 threads of a server by default
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


def test_clicks_of_one_session_are_answered_one_after_another(
    client: TestClient, photo: bytes
) -> None:
    key = opened(client, photo)
    threads = [
        threading.Thread(target=click, args=(client, key, 10 + 12 * i, 20)) for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(client.get(f"/api/sessions/{key}").json()["current"]["clicks"]) == 6
