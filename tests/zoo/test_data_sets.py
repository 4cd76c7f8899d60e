"""Data sets: downloaded, unpacked into the layout that their readers open, found from then on."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from easydict import EasyDict
from file_server import QUICK, FileServer, broken
from layouts import picture, write

from isegm.cli import check_data
from isegm.cli.commands import parser_of
from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import evaluation_set
from isegm.utils.config import load_config
from isegm.zoo.fetching import fetch
from isegm.zoo.hashes import RECORDS


@pytest.fixture
def net(server: FileServer, zoo: Callable[..., None]) -> Callable[..., None]:
    """``net(archive, ...)``: the zoo has GrabCut, and the server this archive of it."""

    def put(archive: bytes, **fields: object) -> None:
        server.files["/GrabCut.zip"] = archive
        about = {"file": "GrabCut.zip", "bases": [f"{server.address}/"], "key": "GRABCUT_PATH"}
        holds = {"holds": ["data_GT", "boundary_GT"]}
        zoo(datasets={"GrabCut": {**about, **holds, **fields}})

    return put


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """GrabCut as its archive has it, in a folder of the archive."""
    root = tmp_path / "made"
    mask = np.zeros((24, 32), np.uint8)
    mask[6:18, 8:24], mask[6:18, 24] = 255, 128
    for name in ("llama", "flower"):
        write(root / f"data_GT/{name}.jpg", picture())
        write(root / f"boundary_GT/{name}.bmp", mask)
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {f"GrabCut/{p.relative_to(root).as_posix()}": p.read_bytes() for p in paths}


@pytest.mark.parametrize("pack", [zipped, tarred, lambda f: tarred(f, "w")])
@pytest.mark.parametrize("depth", ["", "release/"])
def test_its_reader_opens_what_was_unpacked(
    net, pack, depth: str, files: dict[str, bytes], cfg: EasyDict, tmp_path: Path
) -> None:
    net(pack({depth + name: content for name, content in files.items()}))
    root = fetch("GrabCut", cfg, patience=QUICK)
    assert root == tmp_path / "data/GrabCut"
    assert {path.name for path in root.parent.iterdir()} == {"GrabCut", RECORDS}
    opened = evaluation_set("GrabCut", load_config(cfg.config_path))
    assert len(opened) == len(list((root / "boundary_GT").iterdir()))
    assert (opened[0].gt == 1).any()


def test_check_data_confirms_it(
    net, files, cfg: EasyDict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    net(zipped(files))
    fetch("GrabCut", cfg, patience=QUICK)
    words = ["GrabCut", "--all", "--config-path", cfg.config_path]
    check_data.main(parser_of("check-data").parse_args(words))
    said = capsys.readouterr().out
    assert str(tmp_path / "data/GrabCut") in said
    problems = [line for line in said.splitlines() if line.startswith("          - ")]
    assert len(problems) == 1  # all are readable, but a miniature has fewer of them
    assert "2 samples, but the literature has 50" in problems[0]


class TestItsPlace:
    def test_where_config_yml_says(
        self, net, files, cfg: EasyDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ISEGM_DATA", str(tmp_path / "sets"))
        net(zipped(files))
        root = fetch("GrabCut", load_config(cfg.config_path), patience=QUICK)
        assert root == tmp_path / "sets/GrabCut"
        assert not (tmp_path / "config.local.yml").exists()

    def test_another_folder_is_remembered(self, net, files, cfg: EasyDict, tmp_path: Path) -> None:
        local = tmp_path / "config.local.yml"
        local.write_text("# mine\nGRABCUT_PATH: ${ISEGM_DATA}/old\nWEIGHTS_PATH: w")
        net(zipped(files))
        root = fetch("GrabCut", cfg, to=tmp_path / "it's here", patience=QUICK)
        assert root == tmp_path / "it's here/GrabCut"
        assert str(root) == load_config(cfg.config_path).GRABCUT_PATH
        assert local.read_text().startswith("# mine\nGRABCUT_PATH: '")
        assert local.read_text().endswith("\nWEIGHTS_PATH: w")

    def test_what_is_there_already_stays(self, net, files, cfg: EasyDict, tmp_path: Path) -> None:
        mine = tmp_path / "data/GrabCut/data_GT/note.txt"
        mine.parent.mkdir(parents=True)
        mine.write_text("mine")
        net(zipped({**files, "GrabCut/data_GT/note.txt": b"theirs"}))
        root = fetch("GrabCut", cfg, patience=QUICK)
        assert mine.read_text() == "mine"
        assert (root / "boundary_GT").is_dir()

    def test_a_set_that_is_here_is_not_fetched(self, net, server, files, cfg: EasyDict) -> None:
        net(zipped(files))
        fetch("GrabCut", cfg, patience=QUICK)
        fetch("GrabCut", load_config(cfg.config_path), patience=QUICK)
        assert len(server.asked) == 1


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_that_reaches_out_is_refused(
    net, pack, name: str, files, cfg: EasyDict, tmp_path: Path
) -> None:
    net(pack({**files, name: b"evil"}))
    with pytest.raises(
        IsegmError, match=r"refused, and nothing is unpacked.*outside of the folder"
    ):
        fetch("GrabCut", cfg, patience=QUICK)
    assert not list(tmp_path.rglob("evil*"))
    assert not (tmp_path / "data/GrabCut").exists()
    assert not Path("/evil.txt").exists()


def test_a_link_that_leads_out_is_refused(net, cfg: EasyDict, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        link = tarfile.TarInfo("GrabCut/data_GT")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(link)
    net(packed.getvalue())
    with pytest.raises(IsegmError, match=r"refused, and nothing is unpacked"):
        fetch("GrabCut", cfg, patience=QUICK)
    assert not (tmp_path / "data/GrabCut").exists()


def test_a_damaged_archive_is_fetched_anew(net, server, files, cfg: EasyDict) -> None:
    good = tarred(files)
    net(good[: len(good) // 2])
    with pytest.raises(IsegmError, match=r"cannot be unpacked.*it was deleted, repeat the command"):
        fetch("GrabCut", cfg, patience=QUICK)
    server.files["/GrabCut.zip"] = good
    assert (fetch("GrabCut", cfg, patience=QUICK) / "data_GT").is_dir()


def test_an_archive_of_something_else_is_kept(net, cfg: EasyDict, tmp_path: Path) -> None:
    net(zipped({"other/readme.txt": b"hello"}))
    with pytest.raises(IsegmError, match="does not hold data_GT, boundary_GT, as GrabCut should"):
        fetch("GrabCut", cfg, patience=QUICK)
    assert (tmp_path / "data/GrabCut.zip").exists()
    assert not (tmp_path / "data/GrabCut").exists()


def test_an_archive_that_was_not_whole_goes_on(net, server, files, cfg: EasyDict) -> None:
    archive = zipped({**files, "GrabCut/noise": np.random.default_rng(0).bytes(200_000)})
    net(archive)
    server.plan["/GrabCut.zip"] = [broken(after=100_000)]
    assert (fetch("GrabCut", cfg, patience=QUICK) / "data_GT").is_dir()
    assert server.asked[1][1].startswith("bytes=")


def test_several_archives_and_archives_in_archives(
    server: FileServer, zoo: Callable[..., None], cfg: EasyDict, tmp_path: Path
) -> None:
    """As COCO panoptic has them; an earlier part is not fetched again."""
    masks = zipped({"panoptic_val2017/1.png": b"mask"})
    server.files |= {
        "/val2017.zip": zipped({"val2017/1.jpg": b"photo"}),
        "/annotations.zip": zipped(
            {"annotations/val.json": b"{}", "annotations/panoptic_val2017.zip": masks}
        ),
    }
    parts = [
        {"file": "val2017.zip", "holds": ["val2017"]},
        {
            "file": "annotations.zip",
            "holds": ["annotations/val.json", "annotations/panoptic_val2017"],
            "nested": ["annotations/panoptic_val2017.zip"],
        },
    ]
    for part in parts:
        part["addresses"] = [f"{server.address}/{part['file']}"]
    zoo(datasets={"COCO": {"key": "COCO_PATH", "files": parts}})
    (tmp_path / "data/COCO/val2017").mkdir(parents=True)
    root = fetch("COCO", cfg, patience=QUICK)
    assert (root / "annotations/panoptic_val2017/1.png").read_bytes() == b"mask"
    assert not (root / "annotations/panoptic_val2017.zip").exists()
    assert [path for path, _ in server.asked] == ["/annotations.zip"]


def test_photographs_of_another_set_are_linked(
    server: FileServer, zoo: Callable[..., None], cfg: EasyDict, tmp_path: Path, caplog
) -> None:
    caplog.set_level("INFO", "isegm")
    server.files["/a.tar.gz"] = tarred({"x/train/h.pickle": b"1", "x/val/h.pickle": b"1"})
    links = {"train/images": "COCO_PATH/train2017", "val/images": "COCO_PATH/val2017"}
    about = {"holds": ["train/h.pickle", "val/h.pickle"], "links": links, "file": "a.tar.gz"}
    zoo(datasets={"COCO_LVIS": {"key": "L", "bases": [f"{server.address}/"], **about}})
    write(tmp_path / "coco/train2017/1.jpg", np.zeros((4, 4, 3), np.uint8))
    cfg.COCO_PATH = str(tmp_path / "coco")
    root = fetch("COCO_LVIS", cfg, patience=QUICK)
    assert (root / "train/images/1.jpg").is_file()
    assert "val/images is missing; link or copy COCO_PATH/val2017 there" in caplog.text


def test_a_set_without_an_address_says_what_to_do(zoo, cfg: EasyDict, tmp_path: Path) -> None:
    about = {"page": "https://x.example", "called": "all of it", "key": "GRABCUT_PATH"}
    zoo(datasets={"GrabCut": about})
    with pytest.raises(IsegmError) as error:
        fetch("GrabCut", cfg)
    place = tmp_path / "data/GrabCut"
    expected = f"'all of it' at https://x.example, put it into {place} and repeat the command, or"
    assert expected in str(error.value)
    assert "GRABCUT_PATH in config.local.yml" in str(error.value)
    (tmp_path / "data/GrabCut").mkdir(parents=True)
    assert fetch("GrabCut", cfg) == tmp_path / "data/GrabCut"
    assert str(tmp_path / "data/GrabCut") == load_config(cfg.config_path).GRABCUT_PATH


def test_a_missing_set_names_the_command(cfg: EasyDict) -> None:
    with pytest.raises(
        IsegmError, match=r"ISEGM_DATA is not set.*, or run: isegm download GrabCut"
    ):
        evaluation_set("GrabCut", cfg)


def test_too_large_for_the_disk(net, cfg: EasyDict) -> None:
    net(b"", size=10**17)
    with pytest.raises(IsegmError, match=r"packed and unpacked, needs about .* --to"):
        fetch("GrabCut", cfg, patience=QUICK)


def test_sets_of_one_key_share_a_folder(
    server: FileServer, zoo: Callable[..., None], cfg: EasyDict
) -> None:
    server.files["/a.zip"], server.files["/b.zip"] = zipped({"one": b"1"}), zipped({"two": b"2"})
    about = {"key": "GRABCUT_PATH", "bases": [f"{server.address}/"]}
    first = {**about, "file": "a.zip", "holds": ["one"]}
    zoo(datasets={"First": first, "Second": {**about, "file": "b.zip", "holds": ["two"]}})
    for name in ("First", "Second"):
        root = fetch(name, load_config(cfg.config_path), patience=QUICK)
    assert {path.name for path in root.iterdir()} == {"one", "two"}
    assert load_config(cfg.config_path)["GRABCUT_PATH"] == str(root)


def test_a_byte_that_changed_on_the_way_is_noticed(net, cfg: EasyDict, tmp_path: Path) -> None:
    """The archive has no published hash; gzip's own checksum is all there is."""
    noise = np.random.default_rng(0).bytes(200_000)
    packed = bytearray(tarred({"GrabCut/data_GT/a.bin": noise, "GrabCut/boundary_GT/a.bin": b"1"}))
    packed[100_000] ^= 1
    net(bytes(packed), file="GrabCut.zip")
    with pytest.raises(IsegmError, match="cannot be unpacked"):
        fetch("GrabCut", cfg, patience=QUICK)
    assert not (tmp_path / "data/GrabCut").exists()
