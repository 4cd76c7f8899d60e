"""The photographs that come with the package."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import EvalDataset, evaluation_set
from isegm.data.sources import photos as module
from isegm.utils.config import REPOSITORY

FOLDER = REPOSITORY / "assets/photos"
OBJECTS = {"astronaut": 6, "camera": 3, "cat": 4, "clock": 1, "coffee": 4, "retina": 1, "rocket": 2}
FINGERPRINT = "ec9c0ae20b93569991f8794797265958c0607c109f00c1e5999c6ee76df4b998"


@pytest.fixture(scope="module")
def photos() -> EvalDataset:
    """Without a configuration: nothing in it is needed."""
    return evaluation_set("photos", EasyDict())


def test_ids(photos: EvalDataset) -> None:
    assert photos.name == "photos"
    expected: list[str] = []
    for name, count in OBJECTS.items():
        expected += [name] if count == 1 else [f"{name}#{k}" for k in range(1, count + 1)]
    assert photos.ids() == expected
    assert len(photos) == len(expected) == 21


def test_the_files_are_those_that_numbers_were_measured_on(photos: EvalDataset) -> None:
    assert photos.fingerprint() == FINGERPRINT


def test_every_sample_has_an_object_and_a_background(photos: EvalDataset) -> None:
    for index, id_ in enumerate(photos.ids()):
        sample = photos[index]
        assert sample.id == id_
        assert max(sample.image.shape) <= 640
        assert sample.gt.shape == sample.image.shape[:2]
        assert set(np.unique(sample.gt)) <= {-1, 0, 1}
        assert (sample.gt == 1).sum() > 400, id_
        assert (sample.gt == 0).mean() > 0.1, id_


def test_masks_hold_the_three_values_of_the_layout_and_number_n_is_file_n() -> None:
    files = sorted((FOLDER / "masks").iterdir())
    expected = {f"{name}_{k + 1}.png" for name, count in OBJECTS.items() for k in range(count)}
    assert {path.name for path in files} == expected
    for path in files:
        assert set(np.unique(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))) <= {0, 128, 255}


def test_objects_that_exclude_one_another_do_not_overlap(photos: EvalDataset) -> None:
    gt = {id_: photos[index].gt == 1 for index, id_ in enumerate(photos.ids())}
    groups = [
        ("astronaut#1", "astronaut#2", "astronaut#4", "astronaut#6"),
        ("camera#1", "camera#2", "camera#3"),
        ("cat#2", "cat#3", "cat#4"),
        ("coffee#1", "coffee#3", "coffee#4"),
        ("rocket#1", "rocket#2"),
    ]
    for group in groups:
        assert sum(gt[id_].astype(int) for id_ in group).max() == 1, group
    parts = {"coffee#2": "coffee#1", "astronaut#3": "astronaut#1", "cat#2": "cat#1"}
    for part, whole in parts.items():
        assert not (gt[part] & ~gt[whole]).any(), part


def test_small_and_with_a_provenance() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_000_000
    text = (FOLDER / "README.md").read_text()
    for photo in FOLDER.glob("*.jpg"):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{photo.name}` ")]
        assert "CC0" in row or "public domain" in row


def test_missing_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "repository_file", lambda name: tmp_path / name)
    with pytest.raises(IsegmError, match=r"photos: there is no folder .*masks; reinstall isegm"):
        module.photos(EasyDict())
