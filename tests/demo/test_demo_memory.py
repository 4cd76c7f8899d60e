"""The demo's limits hold before anything is decoded: memory, connections, parsing, names."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import uvicorn
from demo_requests import click, do, opened, recorded, refused
from demo_server import app_of, connected, photo_of, png

from isegm.core.errors import IsegmError
from isegm.demo import app as application
from isegm.demo.connections import limited
from isegm.demo.limits import Limits
from isegm.demo.serving import own_addresses
from isegm.inference import session_file
from isegm.inference.session_file import MAX_VALUES, parsed

SMALL = Limits().session_bytes(120, 160, 0)
BOMB = png(np.zeros((4000, 4000, 3), np.uint8))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the images that are decoded."""
    names, real = [], application.checked_image

    def noted(data: bytes, name: str, pixels: int) -> np.ndarray:
        names.append(name)
        return real(data, name, pixels)

    monkeypatch.setattr(application, "checked_image", noted)
    return names


def test_an_image_without_room_is_refused_by_its_header(photo: bytes, decoded: list[str]) -> None:
    with connected(app_of(memory_bytes=SMALL * 5 // 2 + 2 * len(photo))) as client:
        first = opened(client, photo)
        opened(client, photo)
        files = {"image": ("third.png", photo)}
        refused(client.post("/api/sessions", files=files), 503, "busy")
        assert client.post(f"/api/sessions?instead={first}", files=files).status_code == 200
        said = refused(client.post("/api/sessions", files={"image": ("b", BOMB)}), 400, "invalid")
        assert "MiB for all of its users" in said
    assert "b" not in decoded
    assert decoded.count("third.png") == 1


def test_parallel_uploads_of_small_files_of_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve of them were decoded at once."""
    at_once, most, lock, real = 0, 0, threading.Lock(), application.checked_image

    def counted(data: bytes, name: str, pixels: int) -> np.ndarray:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.2)
        try:
            return real(data, name, pixels)
        finally:
            with lock:
                at_once -= 1

    monkeypatch.setattr(application, "checked_image", counted)
    room = Limits().session_bytes(4000, 4000, len(BOMB))
    with connected(app_of(memory_bytes=room * 5 // 2)) as client:
        statuses: list[int] = []

        def upload() -> None:
            files = {"image": ("b.png", BOMB)}
            statuses.append(client.post("/api/sessions", files=files).status_code)

        threads = [threading.Thread(target=upload) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most <= 2
    assert statuses.count(200) == 2
    assert statuses.count(503) == 6


def test_masks_of_a_session_file_need_room_before_they_are_decoded(
    photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(app_of()) as client:
        _, file = recorded(client, photo)
    content = json.loads(file)
    content["objects"] *= 30
    with connected(app_of(memory_bytes=SMALL + len(photo) + 10 * 120 * 160)) as client:
        key = opened(client, photo)
        monkeypatch.setattr(session_file.rle, "decode", pytest.fail)
        files = {"session": ("s.json", json.dumps(content).encode())}
        for place in ("/api/sessions/replay", f"/api/sessions/{key}/replay"):
            refused(client.post(place, files=files), 503, "busy")


def test_masks_and_answers_count_as_memory_of_their_session(photo: bytes) -> None:
    with connected(app_of()) as client:
        key = opened(client, photo)
        slot = client.app.state.store._slots[key]
        slot.bytes = before = slot.workspace.held_bytes()
        click(client, key, 40, 40)
        do(client, key, "finish")
        assert slot.bytes >= before + 120 * 160 // 8


def test_finished_masks_are_kept_as_bits(photo: bytes) -> None:
    with connected(app_of()) as client:
        key = opened(client, photo)
        work = client.app.state.store.peek(key)
        for _ in range(2):
            click(client, key, 40, 40)
            do(client, key, "finish")
        before = work.held_bytes()
        client.delete(f"/api/sessions/{key}/objects/{work.finished[0].number}")
        assert before - work.held_bytes() == 120 * 160 // 8


def test_pixels_are_kept_once(photo: bytes) -> None:
    with connected(app_of()) as client:
        key = opened(client, photo)
        work = client.app.state.store.peek(key)
        image = work.session().image
        assert image.data_ptr() == work.picture.pixels.__array_interface__["data"][0]


def test_a_file_of_too_many_values_is_not_parsed() -> None:
    text = b'{"kind": [' + b"0," * (MAX_VALUES + 1) + b"0]}"
    with pytest.raises(IsegmError, match=r"4,000,00\d values"):
        parsed(text)


def test_no_name_is_allowed_by_listening_everywhere() -> None:
    assert "*" not in own_addresses()
    assert socket.gethostname() in own_addresses()


@pytest.fixture
def port() -> Iterator[int]:
    """A server that takes 4 connections and waits half a second for headers."""
    config = uvicorn.Config(
        app_of(), host="127.0.0.1", port=0, log_level="error", http=limited(4, 0.5)
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


def closed(connection: socket.socket, within: float) -> bool:
    connection.settimeout(within)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_held_connections_do_not_stop_it(port: int) -> None:
    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", port))

    def answer(connection: socket.socket) -> bytes:
        connection.settimeout(30)
        connection.sendall(b"GET /api/info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        return connection.recv(12)

    asking = connect()
    assert answer(asking) == b"HTTP/1.1 200"
    asking.setblocking(False)
    held = [connect() for _ in range(3)]
    held[0].sendall(b"GET / HTTP/1.1\r\nHost:")  # headers that never end
    assert closed(connect(), within=20), "one too many"
    assert all(closed(connection, within=20) for connection in held)
    late = connect()
    assert answer(late) == b"HTTP/1.1 200"
    late.close()


def test_limits_of_the_picture_list_hold_for_thumbnails(decoded: list[str]) -> None:
    with connected(app_of(memory_bytes=1000)) as client:
        refused(client.get("/api/pictures/0.jpg"), 400, "invalid")
    assert decoded == []


def test_two_pictures_of_one_size_take_what_they_are_said_to_take() -> None:
    photo = photo_of(1)
    with connected(app_of()) as client:
        key = opened(client, photo)
        click(client, key, 40, 40)
        work = client.app.state.store.peek(key)
        assert work.held_bytes() <= Limits().session_bytes(120, 160, len(photo))
