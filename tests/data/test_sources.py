"""Training sources read from miniature copies of their layouts, good and broken."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from layouts import coco, coco_lvis, config, picture, rectangle, write, write_indexed

from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import evaluation_set
from isegm.data.pickles import read_pickle
from isegm.data.reading import CorruptSample
from isegm.data.sources.coco import CocoInstances
from isegm.data.sources.coco_lvis import CocoLvis
from isegm.data.sources.folder import Folder, FolderEvaluation, read_objects
from isegm.data.tables import Ragged, Texts, paint_layers

RNG = np.random.default_rng(0)


class TestTables:
    def test_ragged_and_texts(self) -> None:
        rows = [[1, 2, 3], [], [4]]
        ragged = pickle.loads(pickle.dumps(Ragged(rows, np.int32)))
        assert len(ragged) == 3
        assert [ragged[i].tolist() for i in range(3)] == rows
        texts = Texts(["a", "", "größe"])
        assert [texts[i] for i in range(3)] == ["a", "", "größe"]
        assert len(Ragged([], np.int32)) == 0

    def test_painted_layers_hold_every_mask(self) -> None:
        masks = [(RNG.random((20, 30)) < 0.2).astype(np.uint8) for _ in range(12)] + [
            np.zeros((20, 30), np.uint8)
        ]
        layers, places = paint_layers(masks, 20, 30)
        for mask, (layer, label) in zip(masks, places, strict=True):
            assert np.array_equal(layers[layer] == label, mask > 0)
        apart = [rectangle(i, 0, i + 1, 32, height=300) for i in range(300)]
        assert len(paint_layers(apart, 300, 32)[0]) == 2, "a layer holds 255 objects"


class TestCoco:
    def test_reading(self, tmp_path: Path) -> None:
        source = CocoInstances(coco(tmp_path), "train2017")
        assert len(source) == 3
        assert source.object_count == 6
        sample = source.read(0, RNG)
        assert sample.id.endswith("000000000001.jpg")
        assert set(sample.objects) == {0, 1}, "the crowd is left out"
        assert sample.layers.shape == (24, 32, 2), "overlapping objects need two layers"
        first, second = sample.object_mask(0), sample.object_mask(1)
        assert first[3, 3]
        assert first[4, 22]
        assert not first[4, 16]
        assert np.array_equal(second, rectangle(8, 8, 20, 24) > 0)
        assert (first & second).any()
        assert not sample.ignored

    def test_broken(self, tmp_path: Path) -> None:
        with pytest.raises(IsegmError, match="train2017 does not exist"):
            CocoInstances(tmp_path, "train2017")
        coco(tmp_path)
        source = CocoInstances(tmp_path, "train2017")
        write(tmp_path / "train2017" / "000000000002.jpg", picture(10, 10))
        with pytest.raises(CorruptSample, match="10x10"):
            source.read(1, RNG)
        path = tmp_path / "annotations" / "instances_train2017.json"
        content = json.loads(path.read_text())
        content["annotations"][0]["segmentation"] = [[1, 1, 5, 5]]
        content["annotations"][1]["segmentation"]["size"] = [5, 5]
        path.write_text(json.dumps(content))
        source = CocoInstances(tmp_path, "train2017")
        assert source.object_count == 5, "a polygon of two corners is no object"
        with pytest.raises(
            CorruptSample, match=r"000000000001\.jpg is 24x32, but the run-length code"
        ):
            source.read(0, RNG)
        for text in ('{"images": []}', "[]", "{", json.dumps({"images": [], "annotations": []})):
            path.write_text(text)
            with pytest.raises(IsegmError, match="instances_train2017"):
                CocoInstances(tmp_path, "train2017")


class TestCocoLvis:
    def test_reading_without_stuff(self, tmp_path: Path) -> None:
        source = CocoLvis(coco_lvis(tmp_path), "train")
        assert len(source) == 2
        sample = source.read(0, RNG)
        assert sample.id.endswith("0000.jpg"), "sorted by name"
        assert set(sample.objects) == {0, 1, 2}
        assert sample.roots == [0, 2]
        assert sample.objects[0].children == (1,)
        assert sample.objects[1].parent == 0
        assert np.array_equal(sample.object_mask(1), rectangle(4, 4, 8, 8) > 0)
        assert not sample.cleaned().layers[0].any(), "stuff that was not drawn is erased"

    def test_stuff_comes_with_its_probability(self, tmp_path: Path) -> None:
        source = CocoLvis(coco_lvis(tmp_path), "train", stuff_prob=0.3)
        samples = [source.read(0, np.random.default_rng(seed)) for seed in range(300)]
        assert np.mean([3 in s.objects for s in samples]) == pytest.approx(0.3, abs=0.08)
        assert next(s for s in samples if 3 in s.objects).roots == [0, 2, 3]

    def test_allow_list(self, tmp_path: Path) -> None:
        coco_lvis(tmp_path)
        (tmp_path / "list.json").write_text(json.dumps(["0001"]))
        source = CocoLvis(tmp_path, "train", allow_list=tmp_path / "list.json")
        assert len(source) == 1
        assert source.read(0, RNG).id.endswith("0001.jpg")
        (tmp_path / "list.json").write_text(json.dumps(["none"]))
        with pytest.raises(IsegmError, match="allows"):
            CocoLvis(tmp_path, "train", allow_list=tmp_path / "list.json")

    def test_broken(self, tmp_path: Path) -> None:
        with pytest.raises(IsegmError, match="images does not exist"):
            CocoLvis(tmp_path, "train")
        source = CocoLvis(coco_lvis(tmp_path), "train")
        masks = tmp_path / "train" / "masks" / "0000.pickle"
        good = masks.read_bytes()
        for data in (
            good[:50],
            b"",
            b"text",
            pickle.dumps(([], [])),
            pickle.dumps(5),
            pickle.dumps(([np.zeros(3)], [])),
        ):
            masks.write_bytes(data)
            with pytest.raises(CorruptSample, match="0000"):
                source.read(0, RNG)
        assert source.read(1, RNG).objects
        (tmp_path / "train" / "hannotation.pickle").write_bytes(pickle.dumps({"0000": 1}))
        with pytest.raises(IsegmError, match="hannotation"):
            CocoLvis(tmp_path, "train")


class Malicious:
    def __reduce__(self):
        return (Path.touch, (Path(self.target),))


class TestPickles:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_plain_values_and_arrays(self, tmp_path: Path, protocol: int) -> None:
        content = {
            "a": [1, 2.5, None, (True, "x")],
            "array": np.arange(6, dtype=np.uint8),
            "scalar": np.float32(0.5),
            "b": b"\xff",
        }
        (tmp_path / "a").write_bytes(pickle.dumps(content, protocol))
        read = read_pickle(tmp_path / "a")
        assert np.array_equal(read.pop("array"), content.pop("array"))
        assert read == content

    def test_arrays_written_by_numpy_1(self, tmp_path: Path) -> None:
        old = pickle.dumps(np.arange(3), 2).replace(b"numpy._core", b"numpy.core")
        (tmp_path / "a").write_bytes(old)
        assert read_pickle(tmp_path / "a").tolist() == [0, 1, 2]

    def test_code_is_refused_and_not_run(self, tmp_path: Path) -> None:
        marker = tmp_path / "marker"
        evil = Malicious()
        evil.target = str(marker)
        (tmp_path / "a").write_bytes(pickle.dumps({"images": evil}))
        with pytest.raises(IsegmError, match="refused"):
            read_pickle(tmp_path / "a")
        (tmp_path / "a").write_bytes(b"cos\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR.")
        with pytest.raises(IsegmError, match=r"os\.system"):
            read_pickle(tmp_path / "a")
        assert not marker.exists()


class TestMaskKinds:
    def layer(self, path: Path, kind: str = "auto") -> tuple[list[list[int]], int]:
        labels = read_objects(path, kind)
        return labels.layer.tolist(), labels.count

    def test_binary(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.png", np.array([[0, 255, 128]], np.uint8))
        assert self.layer(path) == ([[0, 1, 2]], 1)
        path = write(tmp_path / "a.png", np.array([[0, 65535]], np.uint16))
        assert self.layer(path) == ([[0, 1]], 1)

    def test_soft_edges_need_a_word(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.png", np.arange(256, dtype=np.uint8).reshape(16, 16))
        with pytest.raises(CorruptSample, match="'binary'"):
            read_objects(path)
        layer, count = self.layer(path, "binary")
        assert count == 1
        assert np.array_equal(
            np.array(layer).ravel(), np.where(np.arange(256) > 128, 1, 2 * (np.arange(256) == 128))
        )

    def test_indexed(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.png", np.array([[0, 7, 3, 255, 128]], np.uint8))
        assert self.layer(path) == ([[0, 2, 1, 4, 3]], 3)
        path = write(tmp_path / "a.png", np.array([[0, 1]], np.uint8))
        assert self.layer(path) == ([[0, 1]], 1)
        path = write(tmp_path / "a.png", np.array([[0, 255, 40000]], np.uint16))
        assert self.layer(path) == ([[0, 1, 2]], 2)
        path = write(tmp_path / "a.png", np.array([[0, 255, 128]], np.uint8))
        assert self.layer(path, "indexed") == ([[0, 2, 1]], 1)

    def test_palette(self, tmp_path: Path) -> None:
        path = write_indexed(tmp_path / "a.png", np.array([[0, 255, 128, 1]], np.uint8))
        assert self.layer(path) == ([[0, 3, 2, 1]], 2)
        assert self.layer(path, "binary") == ([[0, 1, 1, 1]], 1)

    def test_colour(self, tmp_path: Path) -> None:
        path = write(
            tmp_path / "a.png",
            np.array([[[0, 0, 0], [255, 0, 0], [0, 0, 1], [255, 0, 0]]], np.uint8),
        )
        assert self.layer(path) == ([[0, 1, 2, 1]], 2)

    def test_many_objects(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.png", np.arange(600, dtype=np.uint16).reshape(20, 30))
        assert read_objects(path).count == 599
        assert read_objects(path).layer.dtype == np.uint16
        with pytest.raises(CorruptSample, match="without loss"):
            read_objects(write(tmp_path / "a.png", picture(60, 60)))


class TestFolder:
    def write_all(self, root: Path) -> tuple[Path, Path]:
        """a: two objects in a gray mask; b: two mask files, the second with ignored pixels; c_1:
        exact match before suffix.
        """
        images, masks = root / "images", root / "masks"
        for name in ("a.jpg", "b.png", "c_1.jpg"):
            write(images / name, picture())
        write(masks / "a.png", rectangle(0, 0, 5, 5) + rectangle(10, 10, 15, 15, value=2))
        write(masks / "b_2.png", rectangle(0, 0, 5, 5, value=255))
        write(
            masks / "b_10.png",
            rectangle(2, 2, 9, 9, value=255) + rectangle(20, 20, 24, 24, value=128),
        )
        write(masks / "c_1.png", rectangle(3, 3, 4, 4, value=255))
        write(masks / "unrelated.png", rectangle(3, 3, 4, 4))
        return images, masks

    def test_training(self, tmp_path: Path) -> None:
        source = Folder(*self.write_all(tmp_path))
        assert len(source) == 3
        a, b, c = (source.read(i, RNG) for i in range(3))
        assert [len(s.objects) for s in (a, b, c)] == [2, 2, 1]
        assert b.layers.shape == (24, 32, 2)
        assert a.ignored == ()
        assert (b.gt_mask(0) == 1).sum() == 25
        assert (b.gt_mask(1) == 1).sum() == 49
        assert (b.gt_mask(0) == -1).sum() == 16
        assert c.object_mask(0).sum() == 1

    def test_evaluation(self, tmp_path: Path) -> None:
        images, masks = self.write_all(tmp_path)
        dataset = evaluation_set("folder", config(IMAGE_DIR=images, MASK_DIR=masks))
        assert dataset.ids() == ["a#1", "a#2", "b#1", "b#2", "c_1"]
        assert [int((dataset[i].gt == 1).sum()) for i in range(5)] == [25, 25, 25, 49, 1]
        assert (dataset[3].gt == -1).sum() == 16
        before = dataset.fingerprint()
        write(masks / "c_1.png", rectangle(3, 3, 5, 4, value=255))
        assert (
            evaluation_set("folder", config(IMAGE_DIR=images, MASK_DIR=masks)).fingerprint()
            != before
        )

    def test_empty_and_broken_masks(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        images, masks = self.write_all(tmp_path)
        write(masks / "a.png", np.zeros((24, 32), np.uint8))
        write(masks / "b_2.png", rectangle(0, 0, 5, 5, height=25))
        (masks / "c_1.png").write_text("no picture")
        source = Folder(images, masks)
        for index, message in enumerate(("no object", "25x32", r"c_1\.png")):
            with pytest.raises(CorruptSample, match=message):
                source.read(index, RNG)
        dataset = FolderEvaluation(images, masks)
        assert dataset.ids() == ["b#1", "b#2", "c_1"], (
            "the empty mask is left out, the broken ones are for the evaluation to count"
        )
        assert "1 images are left out" in caplog.text
        for index in (0, 2):
            with pytest.raises(CorruptSample):
                dataset[index]
        assert dataset[1].gt.any()

    def test_missing(self, tmp_path: Path) -> None:
        images, masks = self.write_all(tmp_path)
        with pytest.raises(IsegmError, match="--image-dir"):
            evaluation_set("folder", config())
        with pytest.raises(IsegmError, match="no folder"):
            Folder(images, tmp_path / "none")
        with pytest.raises(IsegmError, match="did you mean binary"):
            Folder(images, masks, "binery")
        (masks / "a.png").unlink()
        with pytest.raises(
            IsegmError, match=r"1 of 3 images have no mask .* a\.jpg; expected a\.png"
        ):
            Folder(images, masks)
