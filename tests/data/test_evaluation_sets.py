"""Evaluation sets read from miniature copies of their layouts, good and broken."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from layouts import config, picture, rectangle, write

from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import CorruptSample, EvalDataset, evaluation_set, evaluation_sets

FOLDERS = {
    "GrabCut": ("GRABCUT_PATH", "data_GT", "boundary_GT", "bmp"),
    "Berkeley": ("BERKELEY_PATH", "images", "masks", "png"),
    "DAVIS": ("DAVIS_PATH", "img", "gt", "png"),
    "COCO_MVal": ("COCO_MVAL_PATH", "img", "gt", "png"),
}


def made(root: Path, name: str, count: int = 3) -> EvalDataset:
    key, images, masks, suffix = FOLDERS[name]
    for i in range(count):
        write(root / images / f"{i}x.{'JPG' if i % 2 else 'jpg'}", picture(seed=i))
        write(root / masks / f"{i}x.{suffix}", rectangle(4, 5, 14, 20 + i, value=255))
    return evaluation_set(name, config(**{key: root}))


@pytest.mark.parametrize("name", FOLDERS)
def test_layout(tmp_path: Path, name: str) -> None:
    dataset = made(tmp_path, name)
    assert dataset.name == name
    assert len(dataset) == 3
    assert dataset.ids() == ["0x", "1x", "2x"]
    sample = dataset[1]
    assert sample.id == "1x"
    assert sample.image.shape == (24, 32, 3)
    assert sample.gt.dtype == np.int8
    assert np.array_equal(sample.gt, rectangle(4, 5, 14, 21))


@pytest.mark.parametrize("name", ["GrabCut", "Berkeley"])
def test_128_is_ignored_and_lower_values_are_background(tmp_path: Path, name: str) -> None:
    dataset = made(tmp_path, name)
    mask = rectangle(4, 5, 14, 20, value=255)
    mask[0, :4] = [1, 127, 128, 129]
    write(tmp_path / FOLDERS[name][2] / f"0x.{FOLDERS[name][3]}", mask)
    assert dataset[0].gt[0, :4].tolist() == [0, 0, -1, 1]


@pytest.mark.parametrize("name", ["DAVIS", "COCO_MVal"])
def test_objects_of_every_colour_are_merged(tmp_path: Path, name: str) -> None:
    dataset = made(tmp_path, name)
    mask = np.zeros((24, 32, 3), np.uint8)
    mask[0, :3] = [[1, 0, 0], [0, 128, 0], [0, 0, 255]]
    write(tmp_path / "gt" / "0x.png", mask)
    gt = dataset[0].gt
    assert gt[0, :4].tolist() == [1, 1, 1, 0]
    assert gt.sum() == 3


def test_one_bad_sample_is_corrupt_and_the_others_are_fine(tmp_path: Path) -> None:
    dataset = made(tmp_path, "Berkeley", count=5)
    write(tmp_path / "masks" / "0x.png", rectangle(0, 0, 1, 1, height=30))
    write(tmp_path / "masks" / "1x.png", np.zeros((24, 32), np.uint8))
    whole = (tmp_path / "images" / "2x.jpg").read_bytes()
    (tmp_path / "images" / "2x.jpg").write_bytes(whole[: len(whole) // 2])
    write(tmp_path / "masks" / "3x.png", rectangle(7, 7, 8, 8, value=255))
    for index, message in enumerate(("30x32", "no object", "2x.jpg")):
        with pytest.raises(CorruptSample, match=message):
            dataset[index]
    assert dataset[3].gt.sum() == 1
    assert dataset[4].gt.any()


def test_missing_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match="GRABCUT_PATH"):
        evaluation_set("GrabCut", config(GRABCUT_PATH=tmp_path / "nowhere"))
    with pytest.raises(IsegmError, match="no folder"):
        evaluation_set("GrabCut", config(GRABCUT_PATH=tmp_path))
    made(tmp_path, "GrabCut")
    (tmp_path / "boundary_GT" / "1x.bmp").unlink()
    with pytest.raises(IsegmError, match=r"1 of 3 images have no mask .*1x\.JPG"):
        evaluation_set("GrabCut", config(GRABCUT_PATH=tmp_path))


def test_two_images_of_one_stem_are_refused(tmp_path: Path) -> None:
    made(tmp_path, "Berkeley")
    shutil.copy(tmp_path / "images" / "0x.jpg", tmp_path / "images" / "0x.png")
    with pytest.raises(IsegmError, match="same stem"):
        evaluation_set("Berkeley", config(BERKELEY_PATH=tmp_path))


def test_fingerprint_follows_content(tmp_path: Path) -> None:
    prints = [
        made(tmp_path / "a", "DAVIS").fingerprint(),
        made(tmp_path / "b", "DAVIS").fingerprint(),
    ]
    assert prints[0] == prints[1], "the same files in another place are the same set"
    write(tmp_path / "b" / "gt" / "1x.png", rectangle(4, 5, 14, 22, value=255))
    again = evaluation_set("DAVIS", config(DAVIS_PATH=tmp_path / "b"))
    assert again.fingerprint() != prints[0]
    assert again.fingerprint() == again.fingerprint()
    assert len(prints[0]) == 64
    assert made(tmp_path / "c", "DAVIS", count=4).fingerprint() != prints[0]


def test_unknown_names_list_the_nearest() -> None:
    with pytest.raises(IsegmError, match="did you mean GrabCut"):
        evaluation_set("Grabcut", config())
    assert set(evaluation_sets()) >= {*FOLDERS, "synthetic", "folder"}
