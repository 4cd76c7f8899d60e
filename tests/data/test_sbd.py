"""SBD: training source, per-object evaluation with its kept list of objects, sample scores, and the
recipe.
"""

import json
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from layouts import config, picture, rectangle, sbd, write, write_sbd_labels
from published import data_of

from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import evaluation_set
from isegm.data.reading import CorruptSample
from isegm.data.sample_scores import read_scores
from isegm.data.sources import sbd as sbd_module
from isegm.data.sources.sbd import SbdEvaluation, SbdObjects, read_labels

RNG = np.random.default_rng(0)


class TestObjects:
    def test_faulty_objects_are_erased(self, tmp_path: Path) -> None:
        sample = SbdObjects(sbd(tmp_path), "train").read(0, RNG)
        assert sample.id.endswith("2008_000001.jpg"), "the order of the list"
        assert [info.label for info in sample.objects.values()] == [1, 3]
        assert np.array_equal(sample.object_mask(0), rectangle(2, 2, 14, 14) > 0)
        assert set(np.unique(sample.layers)) == {0, 1, 3}

    def test_fill_is_counted_in_the_bounding_box_of_the_object(self, tmp_path: Path) -> None:
        labels = rectangle(0, 0, 1, 1)
        labels[9, 9] = 1
        labels[0, :7] = 1  # 8 of 100 pixels: just enough
        write_sbd_labels(sbd(tmp_path) / "inst" / "2008_000001.mat", labels)
        assert SbdObjects(tmp_path, "train").read(0, RNG).objects
        labels[0, 6] = 0
        write_sbd_labels(tmp_path / "inst" / "2008_000001.mat", labels)
        assert not SbdObjects(tmp_path, "train").read(0, RNG).objects
        assert SbdObjects(tmp_path, "train", least_fill=0).read(0, RNG).objects

    def test_broken(self, tmp_path: Path) -> None:
        with pytest.raises(IsegmError, match="img does not exist"):
            SbdObjects(tmp_path, "train")
        sbd(tmp_path)
        with pytest.raises(IsegmError, match=r"val\.txt does not exist"):
            SbdObjects(tmp_path, "val")
        source = SbdObjects(tmp_path, "train")
        write(tmp_path / "img" / "2008_000001.jpg", picture(10, 10))
        with pytest.raises(CorruptSample, match="10x10"):
            source.read(0, RNG)
        (tmp_path / "img" / "2008_000001.jpg").unlink()
        with pytest.raises(CorruptSample, match="cannot be read"):
            source.read(0, RNG)
        (tmp_path / "train.txt").write_text("\n")
        with pytest.raises(IsegmError, match="empty"):
            SbdObjects(tmp_path, "train")

    def test_broken_annotations(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mat"
        with pytest.raises(CorruptSample, match="cannot be read"):
            read_labels(path)
        whole = write_sbd_labels(path, rectangle(1, 1, 5, 5)).read_bytes()
        for content in (b"", whole[: len(whole) // 2], b"no annotation"):
            path.write_bytes(content)
            with pytest.raises(CorruptSample, match=r"a\.mat"):
                read_labels(path)
        for labels in (
            np.full((4, 4), 300),
            np.full((4, 4), -1),
            np.zeros((4, 4)),
            np.zeros((2, 4, 4), np.uint8),
        ):
            with pytest.raises(CorruptSample, match=r"holds labels from|whole numbers"):
                read_labels(write_sbd_labels(path, labels))


class TestEvaluation:
    def test_one_sample_per_object(self, tmp_path: Path) -> None:
        dataset = evaluation_set("SBD", config(SBD_PATH=sbd(tmp_path, "val")))
        assert dataset.name == "SBD"
        assert dataset.ids() == [
            f"2008_00000{image}_{label}" for image in (1, 0) for label in (1, 3, 4)
        ]
        sample = dataset[1]
        assert sample.id == "2008_000001_3"
        assert np.array_equal(sample.gt, rectangle(16, 20, 22, 28))
        assert dataset[2].gt.sum() == 2, "evaluation leaves no object out"
        assert (
            len(evaluation_set("SBD_Train", config(SBD_PATH=sbd(tmp_path, "train", images=3)))) == 9
        )

    def test_the_list_is_kept_outside_the_data_and_checked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = sbd(tmp_path / "SBD", "val")
        cfg = config(SBD_PATH=root, EXPS_PATH=tmp_path / "experiments")
        before = sorted(root.rglob("*"))
        ids = evaluation_set("SBD", cfg).ids()
        kept = list((tmp_path / "experiments").rglob("*.json"))
        assert len(kept) == 1
        assert sorted(root.rglob("*")) == before
        with monkeypatch.context() as patched:
            patched.setattr(sbd_module, "read_labels", None)  # calling it would fail
            assert evaluation_set("SBD", cfg).ids() == ids
        kept[0].write_text(json.dumps(json.loads(kept[0].read_text()) | {"objects": []}))
        assert evaluation_set("SBD", cfg).ids() == ids
        kept[0].write_text("{")
        assert evaluation_set("SBD", cfg).ids() == ids
        time.sleep(0.01)
        write_sbd_labels(root / "inst" / "2008_000001.mat", rectangle(1, 1, 4, 4, value=2))
        assert evaluation_set("SBD", cfg).ids() == ["2008_000001_2", *ids[3:]]

    def test_a_folder_that_cannot_be_written_does_no_harm(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        assert (
            len(
                SbdEvaluation(
                    "SBD", sbd(tmp_path / "SBD", "val"), "val", tmp_path / "file" / "cache"
                )
            )
            == 6
        )

    def test_an_unreadable_annotation_is_one_corrupt_sample(self, tmp_path: Path) -> None:
        cfg = config(SBD_PATH=sbd(tmp_path / "SBD", "val"), EXPS_PATH=tmp_path / "experiments")
        (tmp_path / "SBD" / "inst" / "2008_000001.mat").write_bytes(b"broken")
        dataset = evaluation_set("SBD", cfg)
        assert len(dataset) == 4
        with pytest.raises(CorruptSample):
            dataset[0]
        assert dataset[1].id == "2008_000000_1"
        assert not list((tmp_path / "experiments").rglob("*.json")), (
            "what was broken may be mended: it is not remembered"
        )

    def test_fingerprint_follows_content(self, tmp_path: Path) -> None:
        cfg = config(SBD_PATH=sbd(tmp_path, "val"))
        found = evaluation_set("SBD", cfg).fingerprint()
        assert len(found) == 64
        assert evaluation_set("SBD", cfg).fingerprint() == found
        (tmp_path / "val.txt").write_text("2008_000000\n")
        assert evaluation_set("SBD", cfg).fingerprint() != found


class TestScores:
    def test_published_and_own_format(self, tmp_path: Path) -> None:
        rows = [(0, "2008_000001", np.float32(0.25)), (1, "2008_000000", np.float32(0.75))]
        published, own = tmp_path / "scores.pkl", tmp_path / "scores.json"
        published.write_bytes(pickle.dumps(rows))
        own.write_text(json.dumps({"scores": {name: float(score) for _, name, score in rows}}))
        for path in (published, own):
            assert read_scores(path, ["2008_000000", "2008_000001"]).tolist() == [0.75, 0.25]
            with pytest.raises(IsegmError, match=r"no score for 1 of 2 images, e\.g\. absent"):
                read_scores(path, ["2008_000000", "absent"])

    @pytest.mark.parametrize(
        "content", ['{"scores": 3}', "[]", "{", '{"scores": {"a": null}}', '{"scores": {"a": 7}}']
    )
    def test_broken(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "scores.json"
        with pytest.raises(IsegmError, match="there is no file"):
            read_scores(path, ["a"])
        path.write_text(content)
        with pytest.raises(IsegmError, match="sample scores"):
            read_scores(path, ["a"])

    def test_a_pickle_runs_no_code(self, tmp_path: Path) -> None:
        path = tmp_path / "scores.pkl"
        path.write_bytes(b"cbuiltins\nprint\n(S'run'\ntR.")
        with pytest.raises(IsegmError, match="refused"):
            read_scores(path, ["a"])


class TestExperiment:
    def test_settings(self, tmp_path: Path) -> None:
        sbd(tmp_path, "train")
        sbd(tmp_path, "val", images=1)
        data = data_of(
            "ritm/hrnet18_sbd_baseline", config(SBD_PATH=tmp_path), [20, 28], data__scores=None
        )
        assert (len(data.train), len(data.val)) == (2, 1)
        assert data.train[0, 0]["image"].shape == (3, 20, 28)
        assert data.train.min_object_area == 80
        assert data.val.min_object_area == 1000

    def test_scores_decide_what_is_drawn(self, tmp_path: Path) -> None:
        sbd(tmp_path, "train")
        sbd(tmp_path, "val", images=1)
        (tmp_path / "scores.json").write_text(
            '{"scores": {"2008_000000": 1.0, "2008_000001": 0.5}}'
        )
        changes = {
            "data__scores__file": "scores.json",
            "data__augment": None,
            "data__min_object_area": 1,
        }
        data = data_of("ritm/hrnet18_sbd_baseline", config(SBD_PATH=tmp_path), [20, 28], **changes)
        solved = data.train.source.read(1, RNG).image.transpose(2, 0, 1)
        drawn = [
            data.train[epoch, position]["image"].numpy()
            for epoch in range(20)
            for position in range(2)
        ]
        assert not any(np.array_equal(image, solved) for image in drawn)
        with pytest.raises(IsegmError, match=r"--set data\.scores=null"):
            data_of("ritm/hrnet18_sbd", config(SBD_PATH=tmp_path), [20, 28])
