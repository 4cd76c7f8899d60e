"""BSDS500 and CCP on miniature copies, good and broken, and lists of what is left out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from layouts import (
    bsds,
    ccp,
    coco,
    config,
    picture,
    rectangle,
    starter,
    write,
    write_bsds_labels,
    write_ccp_labels,
)

from isegm.core.errors import IsegmError
from isegm.data.dataset import ClickDataset
from isegm.data.leave_out import FILE, left_out
from isegm.data.reading import CorruptSample
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.bsds import BSDS
from isegm.data.sources.clothing import ClothingCoParsing
from isegm.data.sources.coco import CocoInstances
from isegm.data.sources.duts import duts
from isegm.training.experiment import Experiment
from isegm.training.experiment_file import load_experiment
from isegm.utils.config import REPOSITORY


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_region_of_one_person_is_an_object(tmp_path: Path) -> None:
    source = BSDS(bsds(tmp_path))
    assert len(source) == 3
    counts = set()
    for seed in range(10):
        sample = source.read(0, rng(seed))
        areas = sample.areas()
        assert sum(areas.values()) == 24 * 32  # regions cover the whole image
        assert areas[1] == 24 * 16
        counts.add(len(areas))
    assert counts == {2, 3}  # one person saw two regions, the other one three
    assert [Path(source.read(i, rng()).id).parent.name for i in range(3)] == [
        "train",
        "val",
        "test",
    ]
    assert len(BSDS(tmp_path, ("val",))) == 1


def test_bsds_with_files_missing(tmp_path: Path) -> None:
    bsds(tmp_path)
    with pytest.raises(IsegmError, match="unknown split of BSDS500 'trian'; did you mean train"):
        BSDS(tmp_path, ("trian",))
    (tmp_path / "groundTruth" / "val" / "101.mat").unlink()
    with pytest.raises(IsegmError, match=r"1 of 3 annotations are missing, e\.g\. .*101\.mat"):
        BSDS(tmp_path)
    with pytest.raises(IsegmError, match="there is no folder"):
        BSDS(tmp_path / "nowhere")


BROKEN: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: path.write_bytes(b"no matrix"), "is not an annotation of"),
    (
        lambda path: path.write_bytes(path.read_bytes()[:200]),
        "cannot be read|not an annotation of",
    ),
    (lambda path: path.write_bytes(b""), "is not an annotation of"),
]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        *BROKEN,
        (
            lambda path: write_ccp_labels(path, rectangle(1, 1, 9, 9)),
            "not an annotation of BSDS500",
        ),
        (lambda path: write_bsds_labels(path, []), "not an annotation of BSDS500"),
        (lambda path: write_bsds_labels(path, [rectangle(1, 1, 9, 9, 20, 30)]), "is 20x30"),
    ],
)
def test_broken_annotations_of_bsds(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(bsds(tmp_path) / "groundTruth" / "train" / "100.mat")
    source = BSDS(tmp_path)
    with pytest.raises(CorruptSample, match=message):
        source.read(0, rng())
    assert source.read(1, rng()).objects


def test_clothes_and_the_person_who_wears_them(tmp_path: Path) -> None:
    source = ClothingCoParsing(ccp(tmp_path))
    assert len(source) == 2  # the third photograph has no annotation
    sample = source.read(0, rng())
    assert sample.areas() == {0: 72 + 280, 41: 72, 5: 280}
    assert sorted(sample.roots) == [0, 5, 41]
    assert Path(sample.id).name == "0001.jpg"


def test_ccp_with_files_missing(tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match=r"CCP: there are no \.mat files"):
        ClothingCoParsing(tmp_path)
    ccp(tmp_path)
    (tmp_path / "photos" / "0002.jpg").unlink()
    with pytest.raises(IsegmError, match=r"1 of 2 photographs are missing, e\.g\. .*0002\.jpg"):
        ClothingCoParsing(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        *BROKEN,
        (
            lambda path: write_bsds_labels(path, [rectangle(1, 1, 9, 9)]),
            "not an annotation of CCP",
        ),
        (lambda path: write_ccp_labels(path, np.full((24, 32), 300)), "expected 0 to 255"),
        (lambda path: write_ccp_labels(path, np.full((24, 32), 0.5)), "no table of whole numbers"),
        (lambda path: write_ccp_labels(path, rectangle(1, 1, 9, 9, 20, 30)), "is 20x30"),
        (lambda path: write_ccp_labels(path, rectangle(0, 0, 0, 0)), "labels nothing"),
    ],
)
def test_broken_annotations_of_ccp(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(ccp(tmp_path) / "annotations" / "pixel-level" / "0001.mat")
    source = ClothingCoParsing(tmp_path)
    with pytest.raises(CorruptSample, match=message):
        source.read(0, rng())
    assert source.read(1, rng()).objects


def test_lists_of_what_is_left_out(tmp_path: Path) -> None:
    assert left_out(tmp_path) == frozenset()
    (tmp_path / FILE).write_text("# why\na.jpg\n\n  b  # near c.jpg\nd.1.PNG\ne.2\n")
    assert left_out(tmp_path) == {"a", "b", "d.1", "e.2"}
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(IsegmError, match="expected one file name per line"):
        left_out(tmp_path)


def test_what_is_left_out_is_never_read(tmp_path: Path) -> None:
    paths = starter(tmp_path)
    persons, shown = paths["COCO_PERSONS_PATH"], paths["DUTS_TR_PATH"] / "DUTS-TR-Image"
    write(shown / "e.jpg", picture())
    write(paths["DUTS_TR_PATH"] / "DUTS-TR-Mask" / "e.png", rectangle(4, 5, 18, 24, value=255))
    lists = {"BSDS_PATH": "101", "CCP_PATH": "0001.jpg", "DUTS_TR_PATH": "d.jpg"}
    lists |= {"COCO_PERSONS_PATH": "000000000002.jpg"}
    for key, name in lists.items():
        (paths[key] / FILE).write_text(f"{name}\n")
    splits = BSDS(paths["BSDS_PATH"])
    assert [Path(splits.read(i, rng()).id).stem for i in range(len(splits))] == ["100", "102"]
    clothes = ClothingCoParsing(paths["CCP_PATH"])
    assert [Path(clothes.read(i, rng()).id).stem for i in range(len(clothes))] == ["0002"]
    assert [image.stem for image, _ in duts(paths["DUTS_TR_PATH"])] == ["e"]
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        people = CocoInstances(persons, "val2017", cache)
        assert [int(Path(people.read(i, rng()).id).stem) for i in range(len(people))] == [1, 3]
        assert people.object_count == 4
    (persons / FILE).unlink()
    assert len(CocoInstances(persons, "val2017", tmp_path / "cache")) == 3


def test_a_coco_of_which_nothing_is_left(tmp_path: Path) -> None:
    root = coco(tmp_path, "val2017", images=1)
    (root / FILE).write_text("000000000001\n")
    source = CocoInstances(root, "val2017")
    assert (len(source), source.object_count) == (0, 0)
    with pytest.raises(IsegmError, match="no image"):
        ClickDataset(source, MultiPoint())


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return load_experiment(REPOSITORY / "models/starter/lite0.py").experiment


def test_the_starters_recipe(tmp_path: Path, experiment: Experiment) -> None:
    cfg = config(EXPS_PATH=tmp_path / "experiments", **starter(tmp_path))
    small = {"augment.crop": [24, 32], "min_object_area": 4}
    changes = {f"{part}.{key}": value for part in ("data", "val") for key, value in small.items()}
    chosen = experiment.changed(changes | {"data.epoch_len": 60})
    data, val = (chosen.build(part, cfg=cfg) for part in (chosen.data, chosen.val))
    seen = {Path(data.source.read(0, rng(seed)).id).parent.name for seed in range(60)}
    assert seen == {
        "DUTS-TR-Image",
        "DUTS-TE-Image",
        "train2017",
        "val2017",
        "photos",
        *("train", "val", "test"),
    }
    assert data[0, 0]["image"].shape == (3, 24, 32)
    assert len(val.source) == 3


def test_a_part_that_is_left_out_need_not_be_there(tmp_path: Path, experiment: Experiment) -> None:
    cfg = config(EXPS_PATH=tmp_path / "experiments", BSDS_PATH=bsds(tmp_path / "BSDS500"))
    without = experiment.changed({f"data.source.parts.{i}": None for i in (0, 1, 2, 3, 5)})
    assert len(without.build(without.data, cfg=cfg).source) == 3
    clothes = experiment.changed({f"data.source.parts.{i}": None for i in range(4)})
    with pytest.raises(IsegmError, match="CCP"):
        clothes.build(clothes.data, cfg=cfg)
