"""The Nuclio function for CVAT: its folder, run as its container runs it, and its answers."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from labelers import MORE, OFF, ON, SIZE, after, answering, iou, parsed, photo, png

from isegm.bridges.cvat_nuclio import NEEDED, CvatNuclio, Interactor
from isegm.core.errors import IsegmError
from isegm.inference.chosen import choose
from isegm.inference.click_lists import ClickLists
from isegm.utils.config import REPOSITORY, load_config

RUN = """
import json, sys, types
import main

try:
    import nuclio_sdk
    context, event = nuclio_sdk.Context(), nuclio_sdk.Event
except ImportError:  # what the handler uses of them
    def response(**fields):
        return types.SimpleNamespace(**fields)
    context = types.SimpleNamespace(user_data=types.SimpleNamespace(), Response=response)
    event = types.SimpleNamespace
main.init_context(context)
for line in sys.stdin:
    answer = main.handler(context, event(body=json.loads(line)))
    assert answer.content_type == "application/json"
    print(answer.status_code, answer.body)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def encoded(image: np.ndarray) -> str:
    return base64.b64encode(png(image)).decode()


def asked(*points: tuple[tuple[int, int], bool], **changes) -> dict:
    """A request as CVAT sends it: the points sorted by their sign."""
    body = {"image": encoded(photo()), "obj_bbox": None}
    for name, sign in (("pos_points", True), ("neg_points", False)):
        body[name] = [[x + 0.5, y + 0.5] for (x, y), positive in points if positive == sign]
    return body | changes


@pytest.fixture
def interactor() -> Interactor:
    made = Interactor.__new__(Interactor)  # without a checkpoint
    made._lists = ClickLists(answering())
    return made


def mask_of(answer: tuple[int, str]) -> np.ndarray:
    status, body = answer
    assert status == 200, body
    mask = np.array(json.loads(body)["mask"])
    assert set(np.unique(mask)) <= {0, 1}
    return mask > 0


def test_click_correct_and_undo(interactor: Interactor) -> None:
    steps = [(ON, True), (OFF, False), (MORE, True)]
    for count in (1, 2, 3, 2):  # the last one: undo
        answer = interactor.answer(asked(*steps[:count]))
        assert (mask_of(answer) == after(*steps[:count])).all()
    assert not mask_of(interactor.answer(asked((ON, False)))).any()


def test_the_polygon_is_that_of_the_mask(interactor: Interactor) -> None:
    answer = interactor.answer(json.dumps(asked((ON, True))).encode())
    drawn = np.zeros(SIZE, np.uint8)
    cv2.fillPoly(drawn, [np.rint(json.loads(answer[1])["points"]).astype(np.int32)], 1)
    assert iou(drawn > 0, mask_of(answer)) > 0.97
    assert not mask_of(interactor.answer(asked((ON, True), threshold=1.0))).any()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "expected an object with the field pos_points"),
        (b"{", "no readable JSON"),
        ({}, "pos_points: expected a list, got nothing"),
        (asked(image=3), "image: expected text"),
        (asked(image="../../etc/passwd"), "image: expected an image in base64"),
        (asked(image="AAAA"), "not a readable image"),
        (asked(image=encoded(np.zeros((7100, 7100), np.uint8))), "at most 50,000,000 pixels"),
        (asked(pos_points=[3]), "expected \\[x, y\\]"),
        (asked(pos_points=[["a", 1]]), "expected two numbers"),
        (asked(((900, 1), True)), "outside the image"),
        (asked((ON, True), obj_bbox=[[1, 1], [2, 2]]), "not with a box"),
        (asked((ON, True), threshold=7), "from 0 to 1"),
        (asked(*[(ON, True)] * 201), "at most 200"),
    ],
)
def test_wrong_requests_are_refused_in_one_line(
    interactor: Interactor, body: object, said: str
) -> None:
    status, answer = interactor.answer(body)
    assert status == 400
    error = json.loads(answer)["error"]
    assert re.search(said, error), error
    assert "\n" not in error
    assert len(error) < 300


def test_the_folder_runs_on_its_own(tmp_path: Path) -> None:
    args = parsed("cvat-nuclio", "--out", str(tmp_path / "function"), "--name", "my-model")
    said = CvatNuclio().start(args, lambda: choose(load_config(), "starter", "cpu"))
    folder = tmp_path / "function"
    assert f"nuctl deploy --project-name cvat --path {folder}" in said
    told = yaml.safe_load((folder / "function.yaml").read_text())
    notes = told["metadata"]["annotations"]
    assert (notes["type"], notes["version"], notes["name"]) == ("interactor", "2", "my-model")
    assert (notes["min_pos_points"], notes["min_neg_points"]) == ("1", "0")
    assert told["spec"]["handler"] == "main:handler"

    square = np.full((160, 200, 3), (50, 110, 60), np.uint8)
    square[40:120, 60:140] = (230, 140, 30)
    truth = (square == (230, 140, 30)).all(2)
    requests = [
        {"image": encoded(square), "pos_points": [[100, 80]], "neg_points": []},
        {"image": encoded(square), "pos_points": [[100, 80]], "neg_points": [[10, 10]]},
        {"image": "nonsense", "pos_points": [[100, 80]], "neg_points": []},
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "CUDA_VISIBLE_DEVICES": ""},
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *answers, modules = done.stdout.splitlines()
    assert [answer[:3] for answer in answers] == ["200", "200", "400"]
    for answer in answers[:2]:
        mask = mask_of((200, answer[4:]))
        assert (mask & truth).sum() / (mask | truth).sum() > 0.8

    # The container installs what is imported, and nothing else of the requirements.
    names = re.findall(r"^[\w-]+", (REPOSITORY / "requirements.txt").read_text(), re.MULTILINE)
    required = {name.lower() for name in names}
    owners = packages_distributions()
    imported = {name.lower() for module in json.loads(modules) for name in owners.get(module, ())}
    assert imported & required - {"jinja2", "matplotlib", "tensorboard"} <= set(NEEDED.split())


def test_a_name_must_suit_nuclio(tmp_path: Path) -> None:
    for name in ("", "My Model", "a/b", "-a", "a" * 60):
        args = parsed("cvat-nuclio", "--out", str(tmp_path / "f"), f"--name={name}")
        with pytest.raises(IsegmError, match="lower-case letters"):
            CvatNuclio().start(args, lambda: pytest.fail("loaded"))
