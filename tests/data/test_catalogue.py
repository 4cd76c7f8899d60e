"""The check of data sets, on miniature copies, good and broken."""

import json
import re
from pathlib import Path

import pytest
from easydict import EasyDict
from layouts import coco_lvis, pascal_voc, picture, rectangle, sbd, starter, write

from isegm.cli import check_data
from isegm.cli.commands import parser_of
from isegm.data.catalogue import CATALOGUE
from isegm.data.checking import check, fingerprint, spread
from isegm.data.conversion.coco_lvis import SUMMARY
from isegm.data.evaluation_sets import evaluation_sets
from isegm.data.sources.lvis import annotation_file, annotation_places
from isegm.utils.config import REPOSITORY, load_config


@pytest.fixture
def checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Run the command on the data in ``tmp_path``: whether all is well, and what it says."""
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
        arguments = (*arguments, "--config-path", str(tmp_path / "config.yml"))
        status = check_data.main(parser_of("check-data").parse_args(arguments))
        return status == 0, capsys.readouterr().out

    return run


def test_catalogue_is_complete() -> None:
    keys = {data_set.key for data_set in CATALOGUE}
    configured = {key for key in load_config(REPOSITORY / "config.yml") if key.endswith("_PATH")}
    assert keys - {""} == configured - {"EXPS_PATH", "WEIGHTS_PATH"}
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
    assert f"1 of {len(CATALOGUE)} sets" in said, "the photographs come with the package"
    assert re.search(r"ok +photos +21 samples; 21 read", said)
    assert "get it from https://cocodataset.org" in said
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
    assert "0001.pickle is not a readable pickle" in said
    assert "is 5x5" in said
    assert "2 problems" in said


def test_counts_of_evaluation_sets_must_be_those_of_the_literature(checked, tmp_path: Path) -> None:
    sbd(tmp_path / "SBD")
    sbd(tmp_path / "SBD", "val")
    well, said = checked("--quick", "SBD")
    assert not well
    assert "6 samples, but the literature has 6,671" in said
    assert "note: 2 samples here, 8,498 in the literature" in said


def test_sets_of_the_starter_and_what_is_left_out(checked, tmp_path: Path) -> None:
    paths = starter(tmp_path)
    lines = [f"{key}: {path}" for key, path in paths.items()]
    (tmp_path / "config.yml").write_text("\n".join([*lines, "EXPS_PATH: experiments"]))
    (tmp_path / "BSDS500" / "leave_out.txt").write_text("101.jpg\n")
    well, said = checked("BSDS500", "CCP", "COCO_persons")
    assert well
    assert "note: leave_out.txt lists 1 files that are not to be trained on" in said
    assert "note: 2 samples here, 500 in the literature" in said
    assert "note: 2 samples here, 1,004 in the literature" in said
    assert re.search(r"ok +val2017 +3 samples, 6 objects; 3 read", said)
    (tmp_path / "CCP" / "annotations" / "pixel-level" / "0001.mat").write_bytes(b"damaged")
    well, said = checked("CCP")
    assert not well
    assert "0001.mat is not an annotation of CCP" in said
    assert "the original is at https://github.com/bearpaw/clothing-co-parsing" in said


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


def test_evaluation_sets_that_share_a_folder_and_organs(tmp_path: Path) -> None:
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
    assert not check_data.is_here(sets["COCO_categories"], cfg)
    (tmp_path / "COCO" / "annotations" / "instances_val2017.json").write_text("{}")
    assert check_data.is_here(sets["COCO_categories"], cfg)
    assert not check_data.is_here(sets["liver"], cfg)
    for folder in ("images", "masks"):
        write(tmp_path / "liver" / folder / "a.png", rectangle(1, 1, 5, 5, value=255))
    assert check_data.is_here(sets["liver"], cfg)
    found = check(sets["liver"], sets["liver"].parts[0], cfg, None)
    assert (found.length, found.problems) == (1, [])
