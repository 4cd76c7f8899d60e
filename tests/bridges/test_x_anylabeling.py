"""X-AnyLabeling's remote server, asked as the program asks it."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from labelers import MORE, OFF, ON, SIZE, after, data_uri, iou, photo, png

PREDICT = "/v1/predict"


def mark(at: tuple[int, int], positive: bool = True) -> dict:
    return {"type": "point", "data": list(at), "label": int(positive)}


def asked(*marks: dict, **changes) -> dict:
    """A request as X-AnyLabeling 4.2.1 sends it."""
    params = {"conf_threshold": 0.0, "iou_threshold": 0.0, "epsilon_factor": 0.001}
    params |= {"marks": list(marks)} if marks else {}
    body = {"model": "isegm", "image": data_uri(photo()), "params": params}
    return (
        body
        | {k: v for k, v in changes.items() if k != "params"}
        | {"params": params | changes.get("params", {})}
    )


def drawn(answer) -> np.ndarray:
    """The polygons of an answer as a mask."""
    assert answer.status_code == 200, answer.text
    mask = np.zeros(SIZE, np.uint8)
    for shape in answer.json()["data"]["shapes"]:
        assert (shape["label"], shape["shape_type"]) == ("AUTOLABEL_OBJECT", "polygon")
        assert shape["points"][0] == shape["points"][-1]  # how the program closes a polygon
        cv2.fillPoly(mask, [np.rint(shape["points"]).astype(np.int32)], 1)
    return mask > 0


def test_the_model_is_listed_with_its_buttons(server) -> None:
    ((name, model),) = server("x-anylabeling").get("/v1/models").json()["data"].items()
    assert (name, model["display_name"]) == ("isegm", "isegm: discs")
    names = [widget["name"] for widget in model["widgets"]]
    assert {"button_add_point", "button_remove_point", "button_finish_object"} <= set(names)


def test_click_correct_undo_and_the_next_object(server) -> None:
    client = server("x-anylabeling")
    marks = [mark(ON), mark(MORE), mark(OFF, False)]
    steps = [(ON, True), (MORE, True), (OFF, False)]
    for count in (1, 2, 3, 2):  # the last one: undo
        mask = drawn(client.post(PREDICT, json=asked(*marks[:count])))
        assert iou(mask, after(*steps[:count])) > 0.97
    assert client.post(PREDICT, json=asked(*marks)).json()["data"]["replace"] is False
    other = (120, 90)
    mask = drawn(client.post(PREDICT, json=asked(mark(other))))
    assert iou(mask, after((other, True))) > 0.97


def test_without_points_there_is_no_object(server) -> None:
    client = server("x-anylabeling")
    assert not drawn(client.post(PREDICT, json=asked())).any()
    assert not drawn(client.post(PREDICT, json=asked(mark(ON, False)))).any()


def test_the_slider_makes_polygons_coarser(server) -> None:
    client = server("x-anylabeling")

    def corners(fineness: float) -> int:
        body = asked(mark(ON), params={"epsilon_factor": fineness})
        (shape,) = client.post(PREDICT, json=body).json()["data"]["shapes"]
        return len(shape["points"])

    assert corners(0.0001) > corners(0.01) >= 4


def test_a_token_is_asked_for_if_there_is_one(server) -> None:
    client = server("x-anylabeling", "--token", "secret")
    assert client.get("/health").status_code == 200
    for headers in (
        {},
        {"Token": ""},
        {"Token": "other"},
        {"Token": "s\xe9cret".encode("latin-1")},
    ):
        assert client.get("/v1/models", headers=headers).status_code == 401
        assert client.post(PREDICT, json=asked(mark(ON)), headers=headers).status_code == 401
    assert drawn(client.post(PREDICT, json=asked(mark(ON)), headers={"Token": "secret"})).any()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "expected an object with the field model"),
        (asked(model="sam"), "unknown model 'sam'; did you mean isegm"),
        (asked(model=3), "model: expected text, got a number"),
        (asked(image="file:///etc/passwd"), "image: expected an image in base64"),
        (asked(image="/etc/passwd"), "expected an image in base64|not a readable image"),
        (asked(image="http://example.com/a.png"), "expected an image in base64"),
        (asked(image="data:image/png,abc"), "expected a data URI with base64"),
        (asked(image="data:image/png;base64,AAAA"), "image is not a readable image"),
        (asked(image=7), "image: expected text"),
        (asked(params={"marks": {}}), "marks: expected a list"),
        (asked(params={"marks": [3]}), "expected an object with the field type"),
        (asked({"type": "rectangle", "data": [1, 2, 3, 4], "label": 1}), "points only"),
        (asked({"type": "point", "data": [1], "label": 1}), "data \\[x, y\\]"),
        (asked({"type": "point", "data": [1, 2], "label": 7}), "1 on the object or 0 off it"),
        (asked({"type": "point", "data": ["a", 2], "label": 1}), "expected two numbers"),
        (asked(mark((500, 2))), "outside the image of 160 columns"),
        (asked(mark((-1, 2))), "outside the image"),
        (asked(*[mark(ON)] * 201), "at most 200"),
        (asked(params={"epsilon_factor": -1}), "epsilon_factor -1"),
        (asked(params={"current_task": "track"}), "unknown task 'track'"),
    ],
)
def test_wrong_requests_are_refused_in_one_line(server, body: object, said: str) -> None:
    answer = server("x-anylabeling").post(PREDICT, json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert re.search(said, error), error
    assert "\n" not in error
    assert len(error) < 300


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"model": NaN}', b"9" * 5000]
)
def test_what_is_no_json_is_refused(server, body: bytes) -> None:
    answer = server("x-anylabeling").post(PREDICT, content=body)
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]


def test_large_requests_and_images_are_refused(server) -> None:
    bomb = data_uri(np.zeros((3000, 3000, 3), np.uint8))
    client = server("x-anylabeling", pixels=1_000_000, upload_bytes=100_000)
    answer = client.post(PREDICT, json=asked(mark(ON), image=bomb))
    assert (answer.status_code, "3000 x 3000" in answer.json()["error"]) == (400, True)
    assert client.post(PREDICT, content=b"x" * 100_001).status_code == 413
    chunks = (b"x" * 1000 for _ in range(101))
    assert client.post(PREDICT, content=chunks).status_code == 413


def test_requests_of_web_pages_of_others_are_refused(server) -> None:
    client = server("x-anylabeling")
    body = asked(mark(ON))
    assert client.post(PREDICT, json=body, headers={"origin": "http://a.test"}).status_code == 403
    assert client.post(PREDICT, json=body, headers={"host": "a.test"}).status_code == 400


def test_the_demo_still_answers_beside_it(server) -> None:
    client = server("x-anylabeling")
    opened = client.post("/api/sessions", files={"image": ("a.png", png(photo()))})
    assert opened.status_code == 200
