"""Files that are written and read: full and read-only disks, and YAML of every bad kind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from small_disk import fill, small_disk

from isegm.core.errors import IsegmError
from isegm.utils.config import absolute, load_config
from isegm.utils.files import CannotWrite, check_output, replacing


def write(path: Path, content: bytes = b"x" * 100_000) -> None:
    with replacing(path) as partial:
        partial.write_bytes(content)


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=64) as disk:
        write(disk / "a", b"old")
        fill(disk)
        with pytest.raises(CannotWrite, match=r"cannot write .*/a: No space left on device; free"):
            write(disk / "a")
        assert (disk / "a").read_bytes() == b"old"
        assert {path.name for path in disk.iterdir()} == {"a", "filler"}


def test_a_read_only_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for attempt in (check_output, write):
            with pytest.raises(CannotWrite, match="Read-only file system"):
                attempt(disk / "new" / "a")


def test_a_folder_in_place_of_a_file_and_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for attempt in (check_output, write):
        with pytest.raises(CannotWrite, match="it is a folder; expected the name of a file"):
            attempt(tmp_path)
        with pytest.raises(CannotWrite, match="file is not a folder"):
            attempt(tmp_path / "file" / "a")
    check_output(tmp_path / "deep" / "er" / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_errors_of_other_files_are_not_taken_for_those_of_the_output(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), replacing(tmp_path / "a"):
        (tmp_path.parent / tmp_path.name / ".." / tmp_path.name).read_bytes()
    assert not list(tmp_path.iterdir())


def test_permissions_are_those_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with replacing(tmp_path / "a") as partial:
            partial.touch()
            partial.chmod(0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


BOMB = "A: &a [1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{new}: &{new.lower()} [{', '.join(['*' + old] * 8)}]\n"
    for old, new in zip("abcdefgh", "BCDEFGHI", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1: a\n", "the key 1 is no name; write it in quotes"),
        (b"A: {2: a}\n", "the key 2 is no name"),
        ("A: \xe9\n".encode("latin-1"), "it is not UTF-8"),
        (b"A: &a [*a]\n", "does an anchor .* hold itself"),
        (b"A: &a {b: *a}\n", "does an anchor .* hold itself"),
        (BOMB.encode(), "stands for more than 100,000 values"),
        (b"A: " + b"[" * 5000, "nested too deeply|cannot be read as YAML"),
        (b"A: 2001-99-99\n", "cannot be read as YAML"),
        (b"- a\n", "must hold 'KEY: value' lines"),
    ],
    ids=["integer", "inner integer", "latin-1", "list in itself", "map in itself", "bomb", "deep",
         "date", "list"],
)  # fmt: skip
def test_configurations_that_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "config.yml").write_bytes(content)
    with pytest.raises(IsegmError, match=message):
        load_config(tmp_path / "config.yml")


@pytest.mark.parametrize("value", ["''", "", "~", "3"])
def test_empty_paths_are_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "config.yml").write_text(f"EXPS_PATH: {value}\n")
    cfg = load_config(tmp_path / "config.yml")
    with pytest.raises(IsegmError, match=r"a path in .*config\.yml is .*; expected a folder"):
        absolute(cfg, cfg.EXPS_PATH)
