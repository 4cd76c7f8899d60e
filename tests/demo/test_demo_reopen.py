"""A finished object is taken into work again: it comes back as it was, the others stay as they
are.
"""

from __future__ import annotations

import contextlib
import importlib
import json
from typing import Any

import numpy as np
import pytest
import torch
from demo_server import PROTOCOL, Discs, photo_of
from fastapi.testclient import TestClient

from isegm.core.errors import IsegmError
from isegm.demo.values import Picture
from isegm.demo.workspace import Workspace
from isegm.inference.protocol import load_protocol
from isegm.inference.session_file import SessionFile
from isegm.inference.settings import Answering

CHECKPOINT = {"name": "discs.safetensors", "sha256": "d" * 64}
RULES = {"name": "ritm", "dataset": None, "label": PROTOCOL.label}
PLACES = ((30, 30), (80, 70), (40, 120))


def workspace(answering: Answering | None = None) -> Workspace:
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    picture = Picture("photo.png", b"", image)
    return Workspace(
        answering or Answering(Discs(), PROTOCOL), picture, contextlib.nullcontext, 1 << 20
    )


def with_objects() -> Workspace:
    """Three finished objects of two clicks, the second with a threshold of its own."""
    work = workspace()
    for index, (y, x) in enumerate(PLACES):
        work.configure({"threshold": 0.7 if index == 1 else 0.5})
        work.click(y, x, True)
        work.click(y, x + 25, False)
        work.finish()
    return work


def listed(work: Workspace) -> list[tuple[int, bytes]]:
    return [(found.number, found.recorded.mask.pixels.tobytes()) for found in work.everything()]


def test_it_comes_back_as_it_was_and_goes_back_to_its_place() -> None:
    work = with_objects()
    before = listed(work)
    work.reopen(2)
    assert work.current.number == 2
    assert work.current.shown == 2
    assert work.settings["threshold"] == 0.7  # the settings that its mask was made with
    assert work.shown()[1].tobytes() == before[1][1]
    assert [found.number for found in work.finished] == [1, 3]
    assert listed(work) == before
    work.finish()
    assert listed(work) == before
    assert work.current.number == 4


def test_undo_redo_and_further_clicks_work_on_it_and_leave_the_others_alone() -> None:
    work = with_objects()
    before = listed(work)
    work.reopen(1)
    work.undo()
    assert work.shown()[1].tobytes() != before[0][1]
    work.redo()
    assert work.shown()[1].tobytes() == before[0][1]
    work.click(60, 30, True)
    corrected = work.shown()[1].tobytes()
    assert corrected != before[0][1]
    work.finish()
    assert listed(work) == [(1, corrected), *before[1:]]
    with pytest.raises(IsegmError, match="no click to undo"):
        work.undo()  # of the next object


def test_the_object_in_work_is_finished_first() -> None:
    work = with_objects()
    work.click(100, 20, True)
    fourth = work.shown()[1].tobytes()
    work.reopen(3)
    assert [number for number, _ in listed(work)] == [1, 2, 3, 4]
    work.reopen(1)
    assert [number for number, _ in listed(work)] == [1, 2, 3, 4]
    assert listed(work)[3] == (4, fourth)


def test_what_has_clicks_and_no_mask_is_not_given_up() -> None:
    work = with_objects()
    work.click(100, 20, False)
    before, settings = listed(work), work.settings
    with pytest.raises(IsegmError, match="no mask"):
        work.reopen(1)
    assert listed(work) == before
    assert work.settings == settings
    assert work.current.number == 4


def test_deleting_keeps_the_order() -> None:
    work = with_objects()
    work.reopen(2)
    work.delete(1)
    work.finish()
    assert [number for number, _ in listed(work)] == [2, 3]
    work.reopen(2)
    work.delete(2)  # while it is in work
    assert [number for number, _ in listed(work)] == [3]
    with pytest.raises(IsegmError, match="no finished object 2"):
        work.reopen(2)


def test_a_mask_that_it_started_from_comes_back_too() -> None:
    work, start = workspace(), np.zeros((120, 160), bool)
    start[10:50, 20:80] = True
    work.start_from(start)
    work.click(30, 50, False)
    mask = work.shown()[1].copy()
    work.finish()
    work.reopen(1)
    assert (work.current.start.pixels == start).all()
    assert (work.shown()[1] == mask).all()
    work.undo()
    assert (work.shown()[1] == start).all()
    work.reset()
    assert not work.shown()[1].any()


def test_the_session_file_keeps_the_order_and_the_replay_the_state() -> None:
    work = with_objects()
    work.reopen(2)
    work.click(100, 70, True)
    recorded = work.record(CHECKPOINT, RULES, with_image=False)
    assert [found.finished for found in recorded.objects] == [True, False, True]
    file = SessionFile.loads(json.dumps(recorded.as_json()))
    other = workspace()
    other.take_over(other.replayed(file))
    assert listed(other) == listed(work)
    assert (other.current.number, other.current.place, other.settings) == (2, 1, work.settings)
    assert other.record(CHECKPOINT, RULES, with_image=False).as_json() == recorded.as_json()
    work.finish()
    other.finish()
    assert listed(other) == listed(work)


def test_one_object_at_most_is_in_work() -> None:
    work = with_objects()
    data: dict[str, Any] = work.record(CHECKPOINT, RULES, with_image=False).as_json()
    for entry in data["objects"][:2]:
        entry["finished"] = False
    with pytest.raises(IsegmError, match="2 objects of the session are unfinished"):
        workspace().replayed(SessionFile.from_json(data))


@pytest.mark.parametrize("name", ["fbrs", "emc_click", "fcfi", "focalclick"])
def test_methods_that_keep_a_state_answer_as_before(name: str) -> None:
    torch.manual_seed(0)
    model = importlib.import_module(f"isegm.methods.{name}").tiny().eval().requires_grad_(False)
    work = workspace(Answering(model, load_protocol(model.protocol)))
    work.configure(
        {"size": 64, "threshold": 0.05}
        | ({"mode": "f-BRS-B", "iterations": 3} if name == "fbrs" else {})
    )
    for click in ((40, 50, True), (80, 100, False), (60, 60, True)):
        work.click(*click)
    mask = work.shown()[1].copy()
    assert mask.any()
    work.finish()
    work.reopen(1)
    assert (work.shown()[1] == mask).all()


def test_over_the_api(client: TestClient) -> None:
    key = client.post("/api/sessions", files={"image": ("photo.png", photo_of(0))}).json()["id"]

    def do(method: str, path: str, **body: Any) -> dict[str, Any]:
        answer = client.request(method, f"/api/sessions/{key}/{path}", json=body or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    masks = []
    for y, x in PLACES[:2]:
        masks.append(do("POST", "clicks", y=y, x=x, positive=True)["current"]["mask"])
        do("POST", "finish")
    state = do("POST", "objects/1/reopen")
    assert [found["number"] for found in state["objects"]] == [2]
    assert state["current"]["mask"] == masks[0]
    assert state["current"]["clicks"] == [{"y": 30.0, "x": 30.0, "positive": True}]
    assert (state["current"]["number"], state["current"]["place"]) == (1, 0)
    state = do("POST", "finish")
    assert [found["number"] for found in state["objects"]] == [1, 2]
    assert state["current"]["place"] is None
    refused = client.post(f"/api/sessions/{key}/objects/7/reopen")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
