"""The check of data sets, on miniature copies, good and broken."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from easydict import EasyDict
from layouts import coco_lvis, pascal_voc, picture, rectangle, sbd, write

from isegm.data.catalogue import CATALOGUE
from isegm.data.checking import check, fingerprint, spread
from isegm.data.conversion.coco_lvis import SUMMARY
from isegm.data.evaluation_sets import evaluation_sets
from isegm.data.sources.lvis import annotation_file, annotation_places
from isegm.utils.config import REPOSITORY, load_config


@pytest.fixture(scope="module")
def script() -> ModuleType:
    described = importlib.util.spec_from_file_location(
        "check_data", REPOSITORY / "scripts" / "check_data.py"
    )
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


@pytest.fixture
def checked(
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Run the script on the data in ``tmp_path``: whether all is well, and what it says."""
    lines = [
        f"{key}: {folder}"
        for key, folder in (
            ("SBD_PATH", "SBD"),
            ("COCO_LVIS_PATH", "CL"),
            ("PASCALVOC_PATH", "VOC"),
        )
    ]
    (tmp_path / "config.yml").write_text(
        "\n".join([*lines, "GRABCUT_PATH: GrabCut", "EXPS_PATH: experiments"])
    )

    def run(*arguments: str) -> tuple[bool, str]:
        monkeypatch.setattr(
            "sys.argv", ["check_data.py", *arguments, "--config-path", str(tmp_path / "config.yml")]
        )
        return script.main(), capsys.readouterr().out

    return run


def test_catalogue_is_complete() -> None:
    keys = {data_set.key for data_set in CATALOGUE}
    configured = {key for key in load_config(REPOSITORY / "config.yml") if key.endswith("_PATH")}
    assert keys == configured - {"EXPS_PATH", "WEIGHTS_PATH"}
    names = [data_set.name for data_set in CATALOGUE]
    assert len(set(names)) == len(names)
    listed = {part.name for data_set in CATALOGUE for part in data_set.parts}
    elsewhere = {
        "synthetic",
        "folder",
        "SBD_Train",
        "D585_ZERO",
    }  # not from files of config.yml, or other names of listed parts
    assert set(evaluation_sets()) - listed == elsewhere


def test_nothing_here(checked) -> None:
    well, said = checked()
    assert well
    assert "0 of 25 sets are here" in said
    assert "get it from cocodataset.org" in said
    well, said = checked("SBD")
    assert not well, "a set that was asked for must be here"


def test_good_and_broken(checked, tmp_path: Path) -> None:
    for split in ("train", "val"):
        coco_lvis(tmp_path / "CL", split)
    well, said = checked("--quick", "COCO_LVIS")
    assert well
    assert re.search(r"ok +train +2 samples, 6 objects; 2 read", said)
    (tmp_path / "CL" / "val" / "masks" / "0001.pickle").write_bytes(b"")
    write(tmp_path / "CL" / "val" / "images" / "0000.jpg", picture(5, 5))
    well, said = checked("--all")
    assert not well
    assert "PROBLEM val" in said
    assert "0001.pickle is no readable pickle" in said
    assert "is 5x5" in said
    assert "2 problems" in said


def test_counts_of_evaluation_sets_must_be_those_of_the_literature(checked, tmp_path: Path) -> None:
    sbd(tmp_path / "SBD")
    sbd(tmp_path / "SBD", "val")
    well, said = checked("--quick", "SBD")
    assert not well
    assert "6 samples, and the literature has 6,671" in said
    assert "note: 2 samples here, 8,498 in the literature" in said


def test_a_part_that_cannot_be_opened(checked, tmp_path: Path) -> None:
    pascal_voc(tmp_path / "VOC")
    well, said = checked("--quick", "PascalVOC")
    assert not well
    assert "train.txt does not exist" in said


def test_a_conversion_that_was_changed(checked, tmp_path: Path) -> None:
    for split in ("train", "val"):
        coco_lvis(tmp_path / "CL", split)
    (tmp_path / "CL" / "train" / SUMMARY).write_text(json.dumps({"hannotation_sha256": "0" * 64}))
    well, said = checked("COCO_LVIS")
    assert not well
    assert "its sha256 differs" in said


def test_samples_are_spread() -> None:
    assert list(spread(3, None)) == list(spread(3, 10)) == [0, 1, 2]
    assert list(spread(101, 3)) == [0, 50, 100]
    assert list(spread(0, 5)) == []


def test_fingerprints_follow_annotations(tmp_path: Path) -> None:
    write(tmp_path / "masks" / "a.png", rectangle(1, 1, 5, 5))
    (tmp_path / "list.txt").write_text("a")
    first = fingerprint(tmp_path, ("masks", "list.txt", "nothing"))
    assert first == fingerprint(tmp_path, ("masks", "list.txt"))
    (tmp_path / "list.txt").write_text("b")
    assert first != fingerprint(tmp_path, ("masks", "list.txt"))


def test_fingerprints_do_not_depend_on_the_place_of_a_file(tmp_path: Path) -> None:
    places, found = annotation_places("val"), set()
    for number, place in enumerate(places):
        path = tmp_path / str(number) / place
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        assert annotation_file(tmp_path / str(number), "val") == path
        found.add(fingerprint(tmp_path / str(number), places))
    (tmp_path / "0" / places[-1]).parent.mkdir()
    (tmp_path / "0" / places[-1]).write_text("{}")
    found.add(fingerprint(tmp_path / "0", places))
    assert len(found) == 1
    assert found != {fingerprint(tmp_path / "nothing", places)}


def test_evaluation_sets_that_share_a_folder_and_organs(script: ModuleType, tmp_path: Path) -> None:
    """COCO's categories are here once their annotations are; an organ is here once its folder
    is.
    """
    sets = {data_set.name: data_set for data_set in CATALOGUE}
    (tmp_path / "COCO" / "annotations").mkdir(parents=True)
    cfg = EasyDict(
        config_path="config.yml",
        COCO_PATH=str(tmp_path / "COCO"),
        LIVER_PATH=str(tmp_path / "liver"),
    )
    assert not script.is_here(sets["COCO_categories"], cfg)
    (tmp_path / "COCO" / "annotations" / "instances_val2017.json").write_text("{}")
    assert script.is_here(sets["COCO_categories"], cfg)
    assert not script.is_here(sets["liver"], cfg)
    for folder in ("images", "masks"):
        write(tmp_path / "liver" / folder / "a.png", rectangle(1, 1, 5, 5, value=255))
    assert script.is_here(sets["liver"], cfg)
    found = check(sets["liver"], sets["liver"].parts[0], cfg, None)
    assert (found.length, found.problems) == (1, [])
