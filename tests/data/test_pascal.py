"""PASCAL VOC by palette index, augmented PASCAL VOC in both layouts, COCO by category, and their
recipes.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from layouts import (
    coco,
    config,
    pascal_png,
    pascal_voc,
    picture,
    rectangle,
    sbd,
    write,
    write_voc_labels,
)
from published import data_of

from isegm.core.errors import IsegmError
from isegm.core.registry import spec
from isegm.data.evaluation_sets import evaluation_set
from isegm.data.mix import Joined
from isegm.data.reading import CorruptSample
from isegm.data.sources.coco_categories import CocoByCategory, chosen
from isegm.data.sources.pascal_sbd import (
    from_downloads,
    from_png,
    pascal_sbd_masks,
    pascal_sbd_objects,
)
from isegm.data.sources.pascal_voc import PascalVocObjects, palette, read_labels

RNG = np.random.default_rng(0)


class TestPalette:
    def test_known_colours(self) -> None:
        colours = palette()
        known = {
            0: (0, 0, 0),
            1: (128, 0, 0),
            2: (0, 128, 0),
            8: (64, 0, 0),
            16: (0, 64, 0),
            20: (0, 64, 128),
            255: (224, 224, 192),
        }
        assert {index: tuple(colours[index].tolist()) for index in known} == known
        assert len(np.unique(colours, axis=0)) == 256

    def test_gray_levels_collide_and_indices_do_not(self) -> None:
        gray = cv2.cvtColor(palette()[None], cv2.COLOR_RGB2GRAY)[0].tolist()
        assert gray[1:8] == [38, 75, 113, 15, 53, 90, 128]
        assert [gray[i] for i in (1, 3, 6, 9)] == [gray[i] for i in (16, 18, 21, 24)]
        assert gray[255] == 220

    def test_one_reader_for_every_way_to_store_them(self, tmp_path: Path) -> None:
        labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
        indexed = write_voc_labels(tmp_path / "indexed.png", labels)
        coloured = write(tmp_path / "coloured.png", palette()[labels][:, :, ::-1])
        gray = write(tmp_path / "gray.png", labels)
        for path in (indexed, coloured, gray):
            assert np.array_equal(read_labels(path), labels)

    def test_what_cannot_be_read_as_objects_is_refused(self, tmp_path: Path) -> None:
        turned_gray = rectangle(2, 2, 14, 14, value=38)
        turned_gray[0] = 220
        with pytest.raises(CorruptSample, match="turned to gray"):
            read_labels(write(tmp_path / "a.png", turned_gray))
        with pytest.raises(CorruptSample, match="colours that are not in"):
            read_labels(write(tmp_path / "b.png", picture()))
        with pytest.raises(CorruptSample, match="16 bit"):
            read_labels(write(tmp_path / "c.png", turned_gray.astype(np.uint16)))
        with pytest.raises(CorruptSample, match="cannot be read"):
            read_labels(tmp_path / "d.png")


class TestVoc:
    def test_evaluation(self, tmp_path: Path) -> None:
        cfg = config(
            PASCALVOC_PATH=pascal_voc(tmp_path / "VOC2012"), EXPS_PATH=tmp_path / "experiments"
        )
        dataset = evaluation_set("PascalVOC", cfg)
        assert dataset.ids() == [
            "2007_000001_1",
            "2007_000001_16",
            "2007_000000_1",
            "2007_000000_16",
        ], "255 is no object"
        assert np.array_equal(dataset[1].gt, rectangle(16, 20, 22, 28))
        with_band = dataset[2].gt
        assert (with_band[1:15, 14] == -1).all()
        assert (with_band == -1).sum() == 14
        assert (with_band == 1).sum() == 144
        assert len(list((tmp_path / "experiments").rglob("*.json"))) == 1
        found = dataset.fingerprint()
        write_voc_labels(
            tmp_path / "VOC2012" / "SegmentationObject" / "2007_000001.png", rectangle(2, 2, 14, 15)
        )
        again = evaluation_set("PascalVOC", cfg)
        assert len(again) == 3
        assert again.fingerprint() != found

    def test_training(self, tmp_path: Path) -> None:
        source = PascalVocObjects(pascal_voc(tmp_path, "train"), "train")
        assert len(source) == 2
        sample = source.read(1, RNG)
        assert [info.label for info in sample.objects.values()] == [1, 16]
        assert sample.ignore_mask().sum() == 14
        assert set(np.unique(sample.cleaned().layers)) == {0, 1, 16, 255}
        assert not source.read(0, RNG).ignored

    def test_broken(self, tmp_path: Path) -> None:
        with pytest.raises(IsegmError, match="JPEGImages does not exist"):
            PascalVocObjects(tmp_path, "train")
        pascal_voc(tmp_path)
        with pytest.raises(IsegmError, match=r"train\.txt does not exist"):
            PascalVocObjects(tmp_path, "train")
        write(tmp_path / "JPEGImages" / "2007_000001.jpg", picture(10, 10))
        with pytest.raises(CorruptSample, match="10x10"):
            PascalVocObjects(tmp_path, "val").read(0, RNG)
        (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_text("")
        with pytest.raises(IsegmError, match="empty"):
            evaluation_set("PascalVOC", config(PASCALVOC_PATH=tmp_path))


class TestAugmented:
    @pytest.fixture
    def roots(self, tmp_path: Path) -> tuple[Path, Path]:
        """SBD's 2008_000000 is a training image of VOC too, its 2008_000001 a validation image;
        2008_000002 is its own.
        """
        voc = pascal_voc(tmp_path / "VOC2012", "train", images=1, prefix="2008")
        pascal_voc(voc, "val", images=2, prefix="2008")
        (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("2008_000001\n")
        sbd(tmp_path / "SBD", "train", images=3)
        sbd(tmp_path / "SBD", "val", images=2)
        return voc, tmp_path / "SBD"

    def test_objects_of_the_downloads(self, roots: tuple[Path, Path]) -> None:
        source = from_downloads(*roots)
        told = [source.read(i, RNG).id for i in range(len(source))]
        assert [text.split("/")[-1] for text in told] == [
            "2008_000000.png, object 1",
            "2008_000000.png, object 16",
            "2008_000002.mat, object 1",
            "2008_000002.mat, object 3",
            "2008_000002.mat, object 4",
        ]
        sample = source.read(1, RNG)
        assert np.array_equal(sample.layers[:, :, 0], rectangle(16, 20, 22, 28)), (
            "all else is background, the band too"
        )
        assert not sample.ignored
        assert len(sample.objects) == 1

    def test_unreadable_annotations_are_left_out(self, roots: tuple[Path, Path]) -> None:
        (roots[1] / "inst" / "2008_000002.mat").write_bytes(b"broken")
        assert len(from_downloads(*roots)) == 2

    def test_a_file_per_object(self, tmp_path: Path) -> None:
        source = from_png(pascal_png(tmp_path))
        assert len(source) == 3, "an object listed twice comes once"
        assert np.array_equal(source.read(0, RNG).object_mask(0), rectangle(10, 4, 18, 20) > 0)
        assert "a#001" in source.read(1, RNG).id
        with (tmp_path / "list" / "train.txt").open("a") as file:
            file.write("b#007\n")
        with pytest.raises(IsegmError, match="'b#007', which has no mask in gt/"):
            from_png(tmp_path)
        with pytest.raises(IsegmError, match=r"no .*val\.txt"):
            from_png(tmp_path, "val")

    def test_experiment(self, roots: tuple[Path, Path], tmp_path: Path) -> None:
        cfg = config(
            PASCALVOC_PATH=roots[0], SBD_PATH=roots[1], PASCAL_SBD_PATH=pascal_png(tmp_path / "png")
        )
        data = data_of("fcanet/resnet101", cfg, [20, 28])
        assert (len(data.train), len(data.val)) == (5, 2)
        assert (data.train[0, 2]["target"] == 1).any()
        masks = spec(pascal_sbd_masks)
        data = data_of(
            "fcanet/resnet101", cfg, [24, 32], data__source=masks, data__augment=None, val=None
        )
        assert len(data.train) == 3
        assert data.val is None
        assert {int(data.train[0, i]["target"].sum()) for i in range(3)} == {17 * 8, 16 * 8, 15 * 8}
        with pytest.raises(IsegmError, match="did you mean train"):
            pascal_sbd_objects(cfg, "trian")


class TestVocSbd:
    def test_every_image_of_both_once(self, tmp_path: Path) -> None:
        cfg = config(
            PASCALVOC_PATH=pascal_voc(tmp_path / "VOC2012", "train"),
            SBD_PATH=sbd(tmp_path / "SBD", "train"),
        )
        sbd(tmp_path / "SBD", "val", images=1)
        data = data_of("ritm/hrnet18_vocsbd_baseline", cfg, [20, 28], data__min_object_area=1)
        assert (len(data.train), len(data.val)) == (4, 1)
        ids = [data.train.source.read(i, RNG).id for i in range(4)]
        assert [Path(id_).parent.name for id_ in ids] == ["JPEGImages", "JPEGImages", "img", "img"]
        assert len(set(ids)) == 4
        assert data.train[0, 0]["image"].shape == (3, 20, 28)

    def test_joined_sources_of_unequal_length(self) -> None:
        class Counted:
            def __init__(self, name: str, count: int) -> None:
                self.name, self.count = name, count

            def __len__(self) -> int:
                return self.count

            def read(self, index: int, rng: np.random.Generator) -> str:
                assert 0 <= index < self.count
                return f"{self.name}{index}"

        joined = Joined([Counted("a", 2), Counted("b", 0), Counted("c", 3)])
        assert [joined.read(i, RNG) for i in range(len(joined))] == ["a0", "a1", "c0", "c1", "c2"]


class TestCocoByCategory:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        coco(tmp_path, "val2017", images=3)
        path = tmp_path / "annotations" / "instances_val2017.json"
        content = json.loads(path.read_text())
        content["categories"] = [
            {"id": 1, "name": "person"},
            {"id": 5, "name": "dining table"},
            {"id": 9, "name": "kite"},
        ]
        for number, annotation in enumerate(content["annotations"]):
            annotation |= {"id": 100 + number, "category_id": (1, 9, 1)[number % 3]}
        path.write_text(json.dumps(content))
        return tmp_path

    def test_split(self, root: Path) -> None:
        cfg = config(COCO_PATH=root)
        seen, unseen = evaluation_set("COCO_seen", cfg), evaluation_set("COCO_unseen", cfg)
        assert len(seen) == len(unseen) == 3, "crowds are left out"
        assert all(id_.startswith("person_") for id_ in seen.ids())
        assert {id_.split("_")[0] for id_ in unseen.ids()} == {"kite"}
        assert np.array_equal(unseen[0].gt, rectangle(8, 8, 20, 24))
        assert seen.fingerprint() != unseen.fingerprint()
        assert evaluation_set("COCO_seen", cfg).ids() == seen.ids()
        assert len(CocoByCategory("few", root, seen=True, per_category=2)) == 2
        assert CocoByCategory("few", root, seen=True, per_category=2).ids() == seen.ids()[:2]

    def test_one_object_per_image_whatever_the_order_of_the_file(self) -> None:
        box = [[2, 2, 12, 2, 12, 12, 2, 12]]
        annotations = [
            {"id": i, "image_id": i // 4, "category_id": 1, "iscrowd": 0, "segmentation": box}
            for i in range(40)
        ]
        images = [{"id": i, "file_name": f"{i}.jpg", "height": 24, "width": 32} for i in range(10)]
        found = chosen({"images": images, "annotations": annotations}, {1: "dining table"}, 6)
        assert len({object_.file_name for object_ in found}) == len(found) == 6
        assert found[0].id.startswith("dining-table_")
        assert (
            chosen({"images": images, "annotations": annotations[::-1]}, {1: "dining table"}, 6)
            == found
        )

    def test_broken(self, root: Path) -> None:
        dataset = CocoByCategory("COCO_seen", root, seen=True)
        for path in (root / "val2017").iterdir():
            write(path, picture(10, 10))
        with pytest.raises(CorruptSample, match="10x10"):
            dataset[0]
        path = root / "annotations" / "instances_val2017.json"
        whole = json.loads(path.read_text())
        for content, message in (
            ({}, "not a COCO"),
            (whole | {"categories": []}, "holds no object"),
            ([], "not a COCO"),
        ):
            path.write_text(json.dumps(content))
            with pytest.raises(IsegmError, match=message):
                CocoByCategory("COCO_seen", root, seen=True)
        path.unlink()
        with pytest.raises(IsegmError, match="does not exist"):
            CocoByCategory("COCO_seen", root, seen=True)
