"""Recipes put sources, samplers and augmentations together, with settings from three places."""

from pathlib import Path

import numpy as np
import pytest
from layouts import coco, coco_lvis, config, picture, rectangle, write

from isegm.core.errors import IsegmError
from isegm.data import recipes


def test_synthetic_needs_nothing() -> None:
    data = recipes.synthetic(config())
    item = data.train[0, 0]
    assert item["image"].shape == (3, 128, 128)
    assert item["yx"].shape == (48, 2)
    assert (len(data.train), len(data.val)) == (2000, 200)
    assert not np.array_equal(data.train[0, 0]["image"], data.val[0, 0]["image"])


def test_coco(tmp_path: Path) -> None:
    coco(tmp_path)
    coco(tmp_path, "val2017", images=2)
    data = recipes.coco(config(COCO_PATH=tmp_path), crop=(20, 28), min_object_area=4, max_clicks=5)
    assert data.train[0, 0]["image"].shape == (3, 20, 28)
    assert data.val[0, 0]["yx"].shape == (10, 2)
    assert (len(data.train), len(data.val)) == (30_000, 2000)
    assert data.train.settings.keep_background_prob == 0.05


def test_cocolvis(tmp_path: Path) -> None:
    coco_lvis(tmp_path)
    coco_lvis(tmp_path, "val")
    data = recipes.cocolvis(config(COCO_LVIS_PATH=tmp_path), crop=(20, 28), epoch_len=0, min_object_area=4)
    assert len(data.train) == 2
    assert data.train[0, 0]["image"].shape == (3, 20, 28)
    assert data.train.sampler.gamma == 0.8
    assert data.train.sampler.merge_prob == 0.15


def test_folder(tmp_path: Path) -> None:
    for part in ("train", "val"):
        write(tmp_path / part / "images" / "a.jpg", picture())
        write(tmp_path / part / "masks" / "a.png", rectangle(2, 2, 22, 30, value=255))
    train = {"image_dir": str(tmp_path / "train/images"), "mask_dir": str(tmp_path / "train/masks")}
    val = {"val_image_dir": str(tmp_path / "val/images"), "val_mask_dir": str(tmp_path / "val/masks")}
    data = recipes.folder(config(), crop=(16, 16), **train)
    assert data.val is None
    assert len(data.train) == 1
    assert data.train[0, 0]["target"].any()
    assert recipes.folder(config(), crop=(16, 16), **train, **val).val[0, 0]["target"].any()
    from_config = config(IMAGE_DIR=train["image_dir"], MASK_DIR=train["mask_dir"])
    assert len(recipes.folder(from_config, crop=(16, 16)).train) == 1


def test_overrides_win_over_keywords() -> None:
    cfg = config() | {"overrides": {"data": {"max_clicks": 3, "crop": [64, 96], "epoch_len": 7}}}
    data = recipes.synthetic(type(config())(cfg), max_clicks=9)
    assert data.train[0, 0]["yx"].shape == (6, 2)
    assert data.train[0, 0]["image"].shape == (3, 64, 96)
    assert len(data.train) == 7


def test_mistakes_say_what_was_expected() -> None:
    with pytest.raises(IsegmError, match="max_clicks"):
        recipes.synthetic(config(), max_click=3)
    for crop in ((64,), (64, 0), ()):
        with pytest.raises(IsegmError, match=r"data\.crop=.*rows and columns"):
            recipes.synthetic(config(), crop=crop)
    with pytest.raises(IsegmError, match=r"data\.seed=-1"):
        recipes.synthetic(config(), seed=-1)
    with pytest.raises(IsegmError, match="COCO_PATH"):
        recipes.coco(config(COCO_PATH="/nowhere"))
