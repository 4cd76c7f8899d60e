"""The zoo as it is shipped: complete, consistent with the rest of the package, and readable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from isegm.core.errors import IsegmError
from isegm.data.catalogue import CATALOGUE
from isegm.evaluation.ledger import read_ledger
from isegm.inference.protocol import known_protocols
from isegm.utils.config import REPOSITORY, load_config
from isegm.zoo.entries import Entry, entries, entry, find, for_key, read, readable

CHECKPOINTS = entries("checkpoint")


def by_name(each: Entry) -> str:
    return each.name


@pytest.mark.parametrize("each", entries(), ids=by_name)
def test_every_entry_says_what_one_must_know(each: Entry) -> None:
    assert each.licence
    assert each.page.startswith("http")
    for remote in each.files:
        assert not any(mark in remote.file for mark in "/\\ ") or each.kind == "dataset"
        assert remote.holds or not remote.addresses or each.kind != "dataset"
        for address in remote.addresses:
            assert re.fullmatch(r"(https?://|hf:|drive:)\S+", address)


@pytest.mark.parametrize("each", CHECKPOINTS, ids=by_name)
def test_a_checkpoint_names_what_is_here(each: Entry) -> None:
    assert each.protocol in known_protocols()
    assert each.paper
    assert each.trained_on
    assert each.file.file.endswith(".pth")
    assert not each.experiment or (REPOSITORY / each.experiment).is_file()


def test_rows_of_the_ledger_are_found() -> None:
    rows = read_ledger()
    found = {
        each.name: [r for p in each.published for r in rows if p.match(r)] for each in CHECKPOINTS
    }
    assert found["ritm_h18s_cocolvis"][0].values["GrabCut", "NoC@90"] == 1.68
    assert [row.method for row in found["fbrs_r34_sbd"]] == ["f-BRS-B", "RGB-BRS"]
    stated = {"RITM README", "f-BRS README", "ClickSEG README", "FCFI README", "FCA-Net slides"}
    for each in CHECKPOINTS:
        for published in each.published:
            assert published.source not in stated or found[each.name], each.name


def test_every_data_set_and_backbone_of_the_package_is_in_it() -> None:
    for each in CATALOGUE:
        if each.key:
            assert find(each.name, "dataset").key == each.key
    cfg = load_config(REPOSITORY / "config.yml")
    assert {each.key for each in entries("backbone")} == set(cfg.PRETRAINED)
    for each in entries("backbone"):
        place = cfg.PRETRAINED[each.key]
        assert place.startswith("hub:") or Path(place).name == each.file.file
    assert all(each.key in ("", *cfg) for each in entries("dataset"))


def test_the_published_identities() -> None:
    assert entry("ritm_h18s_cocolvis").file.hash == "git:4ce03fbea3bb2ea9656d3395762c3c2044524002"
    assert entry("PascalVOC").files[0].hash == "md5:6cd6e144f989b92b3379bac3b3de84fd"


def test_a_name_an_alias_or_a_file() -> None:
    expected = entry("ritm_h18_cocolvis")
    assert entry("coco_lvis_h18_itermask") is expected
    assert entry("coco_lvis_h18_itermask.pth") is expected
    assert entry("D585_SP").name == "DAVIS585"
    assert for_key("GRABCUT_PATH").name == "GrabCut"
    assert find("ritm_h18_cocolvis", "dataset") is None


def test_an_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(
        IsegmError, match=r"unknown name in the zoo 'ritm_h18'; did you mean ritm_h18_sbd"
    ):
        entry("ritm_h18")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("checkpoints: {a: {method: X, size: huge}}", "size 'huge'; expected bytes"),
        ("checkpoints: {a: {method: X, file: a.pth, hash: 'crc:1'}}", "must begin with sha256"),
        ("checkpoints: {a: {project: none}}", "is damaged"),
        ("datasets: {a: {}, b: {aliases: [a]}}", "a stands there twice"),
        ("- a", "is damaged"),
        ("{", "is damaged"),
    ],
)
def test_a_damaged_zoo_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "zoo.yml"
    path.write_text(text)
    with pytest.raises(IsegmError, match=said) as error:
        read(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("size", "text"),
    [(900, "900 bytes"), (17_301_504, "16.5 MB"), (1 << 30, "1 GB"), (1 << 40, "1024 GB")],
)
def test_sizes_read_well(size: int, text: str) -> None:
    assert readable(size) == text
