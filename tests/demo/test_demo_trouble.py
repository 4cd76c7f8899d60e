"""What goes wrong inside: a network that fails, an answer that takes too long. Every user finds the
session as it was.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from demo_server import ADDRESS, PROTOCOL, Discs, app_of, connected, photo_of
from fastapi.testclient import TestClient

from isegm.core.rounds import Prediction, Round
from isegm.demo.app import Served, create_app
from isegm.demo.limits import Limits
from isegm.demo.pictures import PaintedPictures
from isegm.demo.store import SessionStore
from isegm.demo.values import Cancelled, Picture
from isegm.demo.workspace import Workspace
from isegm.inference.settings import Answering
from isegm.methods import ritm

PATIENCE = 120  # seconds: machines that run tests are busy


class Moody(Discs):
    """Fails on every click in the first rows of an image, and on views of 64 pixels."""

    def forward(self, round_: Round) -> Prediction:
        if (round_.clicks.yx[0, :, 0] < 5).any() or max(round_.image.shape[-2:]) == 64:
            raise RuntimeError("a matrix somewhere has the wrong shape")
        return super().forward(round_)


@pytest.fixture
def moody() -> TestClient:
    rules = replace(PROTOCOL, view={"rule": "zoom_in", "size": 96, "skip_clicks": -1})
    served = Served(
        Answering(Moody(), rules),
        {"name": "moody.safetensors", "sha256": "0" * 64},
        {"name": "ritm", "dataset": None, "label": rules.label},
        "cpu",
        PaintedPictures(1),
    )
    return TestClient(create_app(served, Limits()), base_url=ADDRESS, raise_server_exceptions=False)


def test_a_failing_network_is_answered_and_the_session_goes_on(moody: TestClient) -> None:
    key = moody.post("/api/sessions", files={"image": ("photo.png", photo_of(0))}).json()["id"]

    def ask(method: str, path: str, body: Any = None) -> Any:
        return moody.request(method, f"/api/sessions/{key}/{path}", json=body)

    before = ask("POST", "clicks", {"y": 60, "x": 60, "positive": True}).json()["current"]
    for failing in (
        ("POST", "clicks", {"y": 2, "x": 60, "positive": True}),
        ("PUT", "settings", {"size": 64}),
    ):
        answer = ask(*failing)
        assert answer.status_code == 500
        assert answer.json() == {
            "error": "the server failed on this request; its log says why",
            "code": "failed",
        }
        state = moody.get(f"/api/sessions/{key}").json()
        assert state["current"] == before
        assert state["settings"]["size"] == 96
    assert (
        len(ask("POST", "clicks", {"y": 80, "x": 90, "positive": True}).json()["current"]["clicks"])
        == 2
    )
    assert ask("POST", "undo").json()["current"]["mask"] == before["mask"]


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_request_is_cancelled_while_it_waits_for_the_network(client: TestClient) -> None:
    store: SessionStore = client.app.state.store
    key = client.post("/api/sessions", files={"image": ("photo.png", photo_of(0))}).json()["id"]
    before = client.post(
        f"/api/sessions/{key}/clicks", json={"y": 60, "x": 60, "positive": True}
    ).json()["current"]
    answers: list[Any] = []

    def click() -> None:
        answers.append(
            client.post(f"/api/sessions/{key}/clicks", json={"y": 20, "x": 20, "positive": True})
        )

    thread = threading.Thread(target=click)
    with store.turn():
        thread.start()
        until(lambda: store.peek(key).progress.total)
        assert client.get(f"/api/sessions/{key}/progress").json() == {"done": 0, "total": 1}
        assert client.post(f"/api/sessions/{key}/cancel").json() == {"cancelled": True}
    thread.join(PATIENCE)
    assert (answers[0].status_code, answers[0].json()["code"]) == (409, "cancelled")
    assert client.get(f"/api/sessions/{key}").json()["current"] == before
    assert (
        client.post(
            f"/api/sessions/{key}/clicks", json={"y": 20, "x": 20, "positive": True}
        ).status_code
        == 200
    )


def test_cancelling_nothing_changes_nothing(client: TestClient) -> None:
    key = client.post("/api/sessions", files={"image": ("photo.png", photo_of(0))}).json()["id"]
    assert client.post(f"/api/sessions/{key}/cancel").status_code == 200
    assert (
        client.post(
            f"/api/sessions/{key}/clicks", json={"y": 60, "x": 60, "positive": True}
        ).status_code
        == 200
    )
    assert client.post("/api/sessions/nobody/cancel").json()["code"] == "stale_session"


def test_an_optimisation_ends_between_two_evaluations() -> None:
    """Not only between two clicks: one click of a BRS mode may take minutes."""
    torch.manual_seed(0)
    answering = Answering(ritm.tiny().eval().requires_grad_(False), PROTOCOL)
    limits = Limits()
    picture = Picture(
        "noise.png", b"", np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    )
    work = Workspace(answering, picture, SessionStore(limits).turn, limits.history_bytes)
    work.configure({"mode": "f-BRS-C", "iterations": 50, "size": 64})
    work.click(10, 10, True)
    mask, evaluations = work.shown()[1].copy(), 0
    decode = answering.model.decode

    def counted(*args: Any, **options: Any) -> Prediction:
        nonlocal evaluations
        evaluations += 1
        if evaluations == 2:
            work.cancel()
        return decode(*args, **options)

    answering.model.decode = counted
    with pytest.raises(Cancelled):
        work.click(40, 40, False)
    assert evaluations == 2
    del answering.model.decode
    assert (work.shown()[1] == mask).all()
    assert work.current.shown == 1
    work.click(40, 40, False)  # nothing of the cancellation is left
    assert work.progress.total == 0


def test_a_replay_is_cancelled_and_leaves_the_session_as_it_was(client: TestClient) -> None:
    store: SessionStore = client.app.state.store
    key = client.post("/api/sessions", files={"image": ("photo.png", photo_of(0))}).json()["id"]
    for x in (30, 60, 90):
        client.post(f"/api/sessions/{key}/clicks", json={"y": 60, "x": x, "positive": True})
    file = client.get(f"/api/sessions/{key}/export/session.json?image=false").content
    before = client.post(f"/api/sessions/{key}/undo").json()["current"]
    answers: list[Any] = []

    def replay() -> None:
        answers.append(
            client.post(f"/api/sessions/{key}/replay", files={"session": ("s.json", file)})
        )

    thread = threading.Thread(target=replay)
    with store.turn():
        thread.start()
        until(lambda: store.peek(key).progress.total == 3)
        client.post(f"/api/sessions/{key}/cancel")
    thread.join(PATIENCE)
    assert answers[0].json()["code"] == "cancelled"
    assert client.get(f"/api/sessions/{key}").json()["current"] == before
    assert (
        client.post(f"/api/sessions/{key}/replay", files={"session": ("s.json", file)}).status_code
        == 200
    )


def test_memory_of_expired_sessions_comes_back() -> None:
    with connected(app := app_of()) as client:
        store: SessionStore = app.state.store
        held = []
        for index in range(3):
            key = client.post(
                "/api/sessions", files={"image": ("photo.png", photo_of(index))}
            ).json()["id"]
            client.post(f"/api/sessions/{key}/clicks", json={"y": 60, "x": 60, "positive": True})
            held += [
                weakref.ref(work := store.peek(key)),
                weakref.ref(work.session()),
                weakref.ref(work.session().prob),
            ]
        for slot in store._slots.values():
            slot.used -= store.limits.idle_seconds + 1
        del work, slot
        assert store.expire() == 3
        until(lambda: not any(found() is not None for found in held))
