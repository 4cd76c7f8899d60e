"""COCO panoptic, LVIS, OpenImages and ADE20K with parts, read from miniature copies of their
layouts, good and broken.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from layouts import (
    ade20k,
    coco,
    coco_panoptic,
    config,
    lvis,
    open_images,
    picture,
    rectangle,
    write,
)
from published import data_of

from isegm.core.errors import IsegmError
from isegm.data.conversion import open_images as cleaning
from isegm.data.reading import CorruptSample
from isegm.data.sources.ade20k import ADE20K, STUFF
from isegm.data.sources.coco_panoptic import CocoPanoptic
from isegm.data.sources.lvis import Lvis, painted_over
from isegm.data.sources.open_images import OpenImages

RNG = np.random.default_rng(0)


class TestCocoPanoptic:
    def test_things_are_objects_and_stuff_by_chance(self, tmp_path: Path) -> None:
        source = CocoPanoptic(coco_panoptic(tmp_path), "train2017", cache=tmp_path / "cache")
        assert (len(source), source.object_count) == (3, 6)
        sample = source.read(0, RNG)
        assert set(sample.objects) == {1, 2}
        assert np.array_equal(sample.object_mask(1), rectangle(6, 2, 16, 14) > 0)
        assert np.array_equal(sample.object_mask(2), rectangle(8, 18, 22, 30) > 0)
        cleaned = sample.cleaned().layers
        assert not cleaned[0].any(), "stuff that was not drawn is erased"
        assert not cleaned[23, 0].any(), "crowds are background"
        often = CocoPanoptic(tmp_path, "train2017", stuff_prob=0.3)
        drawn = [0 in often.read(0, np.random.default_rng(seed)).objects for seed in range(300)]
        assert np.mean(drawn) == pytest.approx(0.3, abs=0.08)

    def test_broken(self, tmp_path: Path) -> None:
        with pytest.raises(IsegmError, match="train2017 does not exist"):
            CocoPanoptic(tmp_path, "train2017")
        source = CocoPanoptic(coco_panoptic(tmp_path), "train2017")
        write(tmp_path / "annotations" / "panoptic_train2017" / "000000000001.png", picture(10, 10))
        with pytest.raises(CorruptSample, match="none of the 4 segments"):
            source.read(0, RNG)
        write(
            tmp_path / "annotations" / "panoptic_train2017" / "000000000002.png",
            np.zeros((9, 9, 3), np.uint8),
        )
        with pytest.raises(CorruptSample, match="9x9"):
            source.read(1, RNG)
        (tmp_path / "annotations" / "panoptic_train2017.json").write_text('{"images": []}')
        with pytest.raises(IsegmError, match="not a COCO panoptic file"):
            CocoPanoptic(tmp_path, "train2017")


class TestLvis:
    def test_a_whole_or_its_parts(self, tmp_path: Path) -> None:
        coco(tmp_path / "COCO")
        source = Lvis(lvis(tmp_path / "LVIS"), "train", tmp_path / "COCO", cache=tmp_path / "cache")
        assert (len(source), source.object_count) == (2, 6), (
            "the outline of two corners is no object"
        )
        samples = [source.read(0, np.random.default_rng(seed)) for seed in range(20)]
        assert samples[0].id.endswith("train2017/000000000001.jpg")
        found = {tuple(sorted(sample.objects)) for sample in samples}
        assert found == {(0, 2), (1, 2)}, "the half lies in the whole, so either hides the other"
        whole = next(sample for sample in samples if 0 in sample.objects)
        assert np.array_equal(whole.object_mask(0), rectangle(6, 2, 16, 14) > 0)
        assert np.array_equal(
            whole.object_mask(2), rectangle(2, 20, 7, 23) + rectangle(2, 26, 7, 30) > 0
        )

    def test_small_overlaps_are_painted_over(self) -> None:
        masks = [rectangle(0, 0, 10, 10), rectangle(8, 0, 18, 10), np.zeros((24, 32), np.uint8)]
        labels = painted_over(masks, [2, 0, 1])
        assert np.array_equal(labels == 1, rectangle(0, 0, 8, 10) > 0)
        assert np.array_equal(labels == 2, masks[1] > 0)
        tiny = rectangle(0, 0, 2, 2)
        assert not (painted_over([tiny, rectangle(0, 0, 2, 20)], [0, 1]) == 2).any(), (
            "it would hide all of the first"
        )

    def test_where_things_are(self, tmp_path: Path) -> None:
        with pytest.raises(IsegmError, match=r"no lvis_v1_train\.json"):
            Lvis(tmp_path, "train")
        root = lvis(tmp_path / "LVIS")
        with pytest.raises(IsegmError, match="no folder of photographs"):
            Lvis(root, "train", tmp_path / "nowhere")
        path = root / "lvis_v1_train.json"
        write(root / "train" / "images" / "000000000001.jpg", picture())
        old = path.rename(root / "train" / "lvis_train.json")
        assert Lvis(root, "train").read(0, RNG).image.shape == (24, 32, 3)
        old.write_text(old.read_text().replace("train2017", "val2017"))
        with pytest.raises(CorruptSample, match="no folder val2017"):
            Lvis(root, "train").read(0, RNG)
        old.write_text(json.dumps({"images": [], "annotations": []}))
        with pytest.raises(IsegmError, match="lists no object"):
            Lvis(root, "train")


class TestOpenImages:
    @pytest.mark.parametrize("clean", [False, True])
    def test_one_of_the_masks(self, tmp_path: Path, clean: bool) -> None:
        open_images(tmp_path)
        if clean:
            path, images, masks = cleaning.convert(tmp_path / "train")
            assert (path.name, images, masks) == (
                "train-annotations-object-segmentation_clean.pkl",
                1,
                2,
            )
            with pytest.raises(IsegmError, match="there already"):
                cleaning.convert(tmp_path / "train")
        source = OpenImages(tmp_path, "train", tmp_path / "cache")
        assert (len(source), source.object_count) == (1, 2)
        samples = [source.read(0, np.random.default_rng(seed)) for seed in range(10)]
        areas = {int(sample.object_mask(0).sum()) for sample in samples}
        assert len(areas) == 2
        assert all(
            sample.image.shape == (24, 32, 3) == (*sample.layers.shape[:2], 3) for sample in samples
        )

    def test_broken(self, tmp_path: Path) -> None:
        with pytest.raises(IsegmError, match="expected images/, masks/"):
            OpenImages(tmp_path, "train")
        open_images(tmp_path)
        path = tmp_path / "train" / "train-annotations-object-segmentation.csv"
        path.write_text("a,b\n1,2\n")
        with pytest.raises(IsegmError, match="not a list of masks"):
            OpenImages(tmp_path, "train")
        path.write_text("MaskPath,ImageID\nx.png,x\n")
        with pytest.raises(IsegmError, match="none of the masks"):
            OpenImages(tmp_path, "train")
        with pytest.raises(IsegmError, match="none of its masks"):
            cleaning.convert(tmp_path / "train")


class TestADE20KParts:
    def test_levels_and_stuff(self, tmp_path: Path) -> None:
        assert len(STUFF) == 63
        source = ADE20K(ade20k(tmp_path), parts=True)
        found = {}
        for seed in range(20):
            sample = source.read(0, np.random.default_rng(seed))
            found[sample.layers.max()] = {info.label for info in sample.objects.values()}
        assert found == {7: {7}, 3: {3}}, "object 1 is sky"
        always = ADE20K(tmp_path, parts=True, stuff_prob=1.0)
        drawn = [
            {info.label for info in always.read(0, np.random.default_rng(seed)).objects.values()}
            for seed in range(9)
        ]
        assert {1, 7} in drawn

    def test_broken(self, tmp_path: Path) -> None:
        source = ADE20K(ade20k(tmp_path), parts=True)
        path = next(tmp_path.rglob("*_atr.txt"))
        path.write_text("1 # 0\n")
        with pytest.raises(CorruptSample, match="is not a list of attributes"):
            source.read(0, RNG)
        path.unlink()
        with pytest.raises(CorruptSample, match="cannot be read"):
            source.read(0, RNG)


def test_experiments(tmp_path: Path) -> None:
    for split in ("train", "val"):
        coco_panoptic(tmp_path / "COCO", f"{split}2017")
        lvis(tmp_path / "LVIS", split)
        open_images(tmp_path / "OpenImages", {"train": "train", "val": "validation"}[split])
        ade20k(tmp_path / "ADE20K", {"train": "training", "val": "validation"}[split])
    names = {
        "COCO_PATH": "COCO",
        "LVIS_v1_PATH": "LVIS",
        "OPENIMAGES_PATH": "OpenImages",
        "ADE20K_PATH": "ADE20K",
    }
    cfg = config(
        EXPS_PATH=tmp_path / "experiments",
        **{key: tmp_path / folder for key, folder in names.items()},
    )
    for name, stuff in (("coco", True), ("lvis", False), ("openimages", False), ("ade20k", True)):
        changes = {"data__min_object_area": 4, "val__min_object_area": 4}
        changes |= {"data__source__stuff_prob": 1.0} if stuff else {}
        data = data_of(f"ritm/hrnet18_{name}_baseline", cfg, [20, 28], **changes)
        assert data.train[0, 0]["image"].shape == data.val[0, 0]["image"].shape == (3, 20, 28)
        assert data.train.keep_background == 0.05
        assert data.val.keep_background == (0 if name == "lvis" else 0.05)
        generators = [np.random.default_rng(seed) for seed in range(9)]
        train, val = (
            sum(len(part.source.read(0, rng).objects) for rng in generators)
            for part in (data.train, data.val)
        )
        assert (train > val) == stuff, "validation has no stuff"
