"""Data of experiments put together: from parts, from config.yml, from folders."""

from pathlib import Path

import numpy as np
import pytest
from layouts import coco, coco_lvis, config, picture, rectangle, write
from published import data_of

from isegm.core.errors import IsegmError
from isegm.core.registry import build, spec
from isegm.data.augment import photographs
from isegm.data.dataset import ClickDataset
from isegm.data.mix import Joined, Mix, Part
from isegm.data.pasted import PastedScenes
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.coco import coco_images
from isegm.data.sources.folder import folder_images
from isegm.data.sources.synthetic import SyntheticSource


def test_scenes_need_nothing() -> None:
    data = data_of("ritm/tiny_synthetic", config(), [64, 96])
    item = data.train[0, 0]
    assert item["image"].shape == (3, 64, 96)
    assert item["yx"].shape == (24, 2)
    assert (len(data.train), len(data.val)) == (800, 64)
    assert not np.array_equal(item["image"], data.val[0, 0]["image"])


def test_coco(tmp_path: Path) -> None:
    coco(tmp_path)
    coco(tmp_path, "val2017", images=2)
    data = data_of(
        "ritm/hrnet18s_coco", config(COCO_PATH=tmp_path), [20, 28], data__min_object_area=4
    )
    assert data.train[0, 0]["image"].shape == (3, 20, 28)
    assert data.val[0, 0]["yx"].shape == (24, 2)
    assert (len(data.train), len(data.val)) == (800, 80)
    assert data.train.keep_background == 0.05


def test_cocolvis(tmp_path: Path) -> None:
    coco_lvis(tmp_path)
    coco_lvis(tmp_path, "val")
    changes = {"data__epoch_len": None, "data__min_object_area": 4}
    data = data_of("ritm/hrnet18_cocolvis", config(COCO_LVIS_PATH=tmp_path), [20, 28], **changes)
    assert len(data.train) == 2
    assert data.train[0, 0]["image"].shape == (3, 20, 28)
    assert data.train.sampler.gamma == 0.8
    assert data.train.sampler.merge_prob == 0.15
    assert len(data.val) == 2000


def test_folder(tmp_path: Path) -> None:
    write(tmp_path / "images" / "a.jpg", picture())
    write(tmp_path / "masks" / "a.png", rectangle(2, 2, 22, 30, value=255))
    places = {"image_dir": str(tmp_path / "images"), "mask_dir": str(tmp_path / "masks")}
    made = [
        build(
            spec(
                ClickDataset,
                source=source,
                sampler=spec(MultiPoint),
                augment=spec(photographs, crop=(16, 16)),
            ),
            cfg=cfg,
        )
        for source, cfg in (
            (spec(folder_images, **places), config()),
            (spec(folder_images), config(**{key.upper(): place for key, place in places.items()})),
            (
                spec(folder_images, image_dir="MORE", mask_dir=places["mask_dir"]),
                config(MORE=places["image_dir"]),
            ),
        )
    ]
    for data in made:
        assert len(data) == 1
        assert data[0, 0]["target"].any()
    with pytest.raises(IsegmError, match="IMAGE_DIR is not given"):
        build(spec(folder_images), cfg=config())


def test_sources_are_composed_with_public_names(tmp_path: Path) -> None:
    coco(tmp_path)
    scenes = spec(SyntheticSource, size=(24, 32), length=4)
    photographs_ = spec(coco_images, split="train2017")
    parts = [spec(Part, source=spec(Joined, sources=[scenes, photographs_]), share=0.5)]
    parts.append(spec(Part, source=spec(PastedScenes, source=scenes), share=0.5))
    described = spec(
        ClickDataset, source=spec(Mix, parts=parts), sampler=spec(MultiPoint), epoch_len=40
    )
    data = build(described, cfg=config(COCO_PATH=tmp_path))
    assert len(data.source) == 4 + 3 + 4
    ids = {
        data.source.read(0, np.random.default_rng(seed)).id.split()[0].split("/")[-1][:5]
        for seed in range(60)
    }
    assert ids == {"synth", "00000"}
    assert data[0, 0]["image"].shape == (3, 24, 32)


def test_mistakes_say_what_was_expected() -> None:
    with pytest.raises(IsegmError, match="max_clicks"):
        spec(MultiPoint, max_click=3)
    for crop in ([64], [64, 0], []):
        with pytest.raises(IsegmError, match=r"crop=.*rows and columns"):
            build(spec(photographs, crop=crop))
    source = spec(SyntheticSource, size=(8, 8), length=1)
    with pytest.raises(IsegmError, match=r"seed=-1"):
        build(spec(ClickDataset, source=source, sampler=spec(MultiPoint), seed=-1))
    with pytest.raises(IsegmError, match="COCO_PATH"):
        build(spec(coco_images), cfg=config(COCO_PATH="/nowhere"))
    with pytest.raises(IsegmError, match="coco_images needs a value for cfg"):
        build(spec(coco_images))
