"""The real sets, where ISEGM_DATA names a folder that holds them."""

import os
from pathlib import Path

import numpy as np
import pytest
from layouts import config
from published import data_of

from isegm.data.evaluation_sets import evaluation_set
from isegm.data.sources.coco import CocoInstances

DATA = Path(os.environ.get("ISEGM_DATA", ""))

pytestmark = pytest.mark.data


def needs(name: str) -> pytest.MarkDecorator:
    there = "ISEGM_DATA" in os.environ and (DATA / name).is_dir()
    return pytest.mark.skipif(not there, reason=f"ISEGM_DATA names no folder with {name}")


@pytest.mark.parametrize(
    ("name", "key", "count"),
    [
        pytest.param("GrabCut", "GRABCUT_PATH", 50, marks=needs("GrabCut")),
        pytest.param("Berkeley", "BERKELEY_PATH", 100, marks=needs("Berkeley")),
        pytest.param("DAVIS", "DAVIS_PATH", 345, marks=needs("DAVIS")),
        pytest.param("COCO_MVal", "COCO_MVAL_PATH", 800, marks=needs("COCO_MVal")),
    ],
)
def test_evaluation_sets_are_complete_and_decode(name: str, key: str, count: int) -> None:
    dataset = evaluation_set(name, config(**{key: DATA / name}))
    assert len(dataset) == len(set(dataset.ids())) == count
    values = set()
    for i in range(count):
        sample = dataset[i]
        assert (sample.gt == 1).any()
        values |= set(np.unique(sample.gt).tolist())
    assert values == ({-1, 0, 1} if name == "GrabCut" else {0, 1})


@needs("COCO_tiny")
@pytest.mark.parametrize(
    ("split", "images", "objects"), [("train2017", 344, 3044), ("val2017", 40, 325)]
)
def test_coco_tiny(split: str, images: int, objects: int) -> None:
    """3,080 and 326 annotations, of which 36 and 1 are crowds."""
    source = CocoInstances(DATA / "COCO_tiny", split)
    assert len(source) == images
    assert source.object_count == objects
    for i in range(0, images, 8):
        sample = source.read(i, np.random.default_rng(0))
        assert all(area > 0 for area in sample.areas().values())


@needs("COCO_tiny")
def test_items_of_coco_tiny() -> None:
    data = data_of("ritm/hrnet18s_coco", config(COCO_PATH=DATA / "COCO_tiny"), [320, 480])
    for i in range(30):
        item = data.train[0, i]
        y, x = item["yx"][item["label"] == 1].long().T
        assert (item["target"][0, y, x] == 1).all()
        y, x = item["yx"][item["label"] == 0].long().T
        assert (item["target"][0, y, x] == 0).all()
