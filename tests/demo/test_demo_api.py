"""The API: what a page or a program can do with it."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from demo_requests import click, do, mask_of, opened, pixels, refused
from demo_server import app_of, connected, png
from fastapi.testclient import TestClient
from PIL import Image
from pycocotools import mask as coco_mask

# --- clicks and what can be taken back ------------------------------------------------------------


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
    state = client.post(
        f"/api/sessions/{key}/mask", files={"mask": ("mask.png", png(start))}
    ).json()
    assert (mask_of(state) == (start > 0)).all()
    mask = click(client, key, 30, 30, positive=False)
    assert mask[58, 58]
    assert not mask[30, 30]
    small = client.post(f"/api/sessions/{key}/mask", files={"mask": ("mask.png", png(start[:50]))})
    assert "50 rows" in refused(small, 400, "invalid")


# --- objects and what is saved --------------------------------------------------------------------


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
    assert [(pixels(archive.read(n)) > 0).sum() for n in archive.namelist()] == [
        first.sum(),
        second.sum(),
    ]
    coco = client.get(f"{at}/export/coco.json").json()
    for annotation, mask in zip(coco["annotations"], (first, second), strict=True):
        runs = coco_mask.frPyObjects(annotation["segmentation"], 120, 160)
        assert (coco_mask.decode(runs).astype(bool) == mask).all()
        assert annotation["bbox"] == coco_mask.toBbox(runs).tolist()
        assert annotation["area"] == mask.sum()
        assert not annotation["iscrowd"]  # a crowd is left out of training


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


# --- settings -------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "changes",
    [{"treshold": 0.4}, {"threshold": 2}, {"threshold": "0.4"}, {"mirror": 1}, {"window": 0.3}],
)
def test_wrong_settings_change_nothing(
    client: TestClient, photo: bytes, changes: dict[str, Any]
) -> None:
    key = opened(client, photo)
    before = client.get(f"/api/sessions/{key}").json()["settings"]
    refused(client.put(f"/api/sessions/{key}/settings", json=changes), 400, "invalid")
    assert client.get(f"/api/sessions/{key}").json()["settings"] == before
