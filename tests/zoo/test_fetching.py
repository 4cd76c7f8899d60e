"""Downloads from a local server: whole, resumed, broken, moved, wrong. Each failure is one message
and loses nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from easydict import EasyDict
from file_server import (
    QUICK,
    FileServer,
    broken,
    called_compressed,
    ignoring_ranges,
    moved,
    slow,
    status,
    web_page,
)

from isegm.core.errors import IsegmError
from isegm.zoo.fetching import fetch
from isegm.zoo.hashes import RECORDS, digest

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
GIT = f"git:{hashlib.sha1(b'blob 300000' + bytes(1) + CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def net(server: FileServer, zoo: Callable[..., None]) -> Callable[..., None]:
    """``net(hash=..., ...)``: the zoo has a checkpoint ``net``, and the server its file."""

    def write(**fields: object) -> None:
        server.files["/net.pth"] = CONTENT
        about = {"method": "RITM", "file": "net.pth", "licence": "MIT", "page": "https://x.example"}
        zoo(checkpoints={"net": {"addresses": [f"{server.address}/net.pth"], **about, **fields}})

    return write


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def begun(cfg: EasyDict, content: bytes = CONTENT, version: str = "") -> Path:
    """What an interrupted download leaves: the first 100,000 bytes."""
    folder = Path(cfg.config_path).parent / "weights"
    folder.mkdir()
    (folder / "net.pth.part").write_bytes(content[:100_000])
    if version:
        (folder / "net.pth.part.json").write_text(json.dumps({"version": version}))
    return folder


@pytest.mark.parametrize("known", [SHA256, GIT, MD5, SHA256[:15]])
def test_a_whole_file_is_compared(net, known: str, cfg: EasyDict, caplog) -> None:
    caplog.set_level("INFO", "isegm")
    net(hash=known)
    path = fetch("net", cfg, patience=QUICK)
    assert path.read_bytes() == CONTENT
    assert left(path.parent) == ["net.pth"]
    assert f"{known.partition(':')[0]} hash is that of the published file" in caplog.text
    assert "licence: MIT" in caplog.text


def test_one_that_is_here_is_not_fetched_again(net, server: FileServer, cfg: EasyDict) -> None:
    net(hash=SHA256)
    fetch("net", cfg, patience=QUICK)
    fetch("net", cfg, patience=QUICK)
    assert len(server.asked) == 1


@pytest.mark.parametrize("known", [SHA256, ""])
def test_a_broken_connection_goes_on_where_it_broke(
    net, known: str, server: FileServer, cfg: EasyDict
) -> None:
    net(hash=known)
    server.plan["/net.pth"] = [broken(after=120_000)]
    assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT
    (_, first), (_, second) = server.asked
    assert first == ""
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= 120_000


def test_a_later_command_goes_on(net, server: FileServer, cfg: EasyDict) -> None:
    net(hash=SHA256)
    folder = begun(cfg)
    assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT
    assert server.asked == [("/net.pth", "bytes=100000-")]
    assert left(folder) == ["net.pth"]


def test_a_server_that_ignores_ranges_sends_it_anew(net, server: FileServer, cfg: EasyDict) -> None:
    net(hash=SHA256)
    begun(cfg)
    server.plan["/net.pth"] = [ignoring_ranges]
    assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT


def test_without_a_hash_another_version_is_not_continued(
    net, server: FileServer, cfg: EasyDict
) -> None:
    net()
    begun(cfg, OTHER, version='"of yesterday"')
    assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT


def test_with_a_hash_a_beginning_of_another_version_is_thrown_away(
    net, server: FileServer, cfg: EasyDict
) -> None:
    net(hash=SHA256)
    begun(cfg, OTHER)
    assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == ["bytes=100000-", ""]


def test_all_of_it_was_here_but_not_its_name(net, server: FileServer, cfg: EasyDict) -> None:
    net(hash=SHA256)
    folder = begun(cfg)
    (folder / "net.pth.part").write_bytes(CONTENT)
    assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT


def test_a_server_that_always_breaks_off_is_left_with_what_came(
    net, server: FileServer, cfg: EasyDict
) -> None:
    net(hash=SHA256)
    server.plan["/net.pth"] = [broken(after=0)] * 5
    folder = begun(cfg)
    with pytest.raises(IsegmError) as error:
        fetch("net", cfg, patience=QUICK)
    said = str(error.value)
    assert "could not be downloaded" in said
    assert server.address in said
    assert "https://x.example" in said
    assert "net.pth" not in left(folder)


def test_what_came_is_kept_and_the_next_command_continues(
    net, server: FileServer, cfg: EasyDict
) -> None:
    net(hash=SHA256)
    server.plan["/net.pth"] = [broken(after=200_000), *[status(503)] * 2]
    with pytest.raises(IsegmError, match=r"503 .*The [\d,]+ bytes that arrived are kept"):
        fetch("net", cfg, patience=QUICK)
    part = Path(cfg.config_path).parent / "weights/net.pth.part"
    have = part.stat().st_size
    assert have > 0
    assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT
    assert server.asked[-1] == ("/net.pth", f"bytes={have}-")


def test_a_silent_server_is_given_up(net, server: FileServer, cfg: EasyDict) -> None:
    net(hash=SHA256)
    server.plan["/net.pth"] = [broken(after=0, pause=3)] * 2
    before = time.monotonic()
    with pytest.raises(IsegmError, match="the server went silent"):
        fetch("net", cfg, patience=QUICK)
    assert time.monotonic() - before < 3


def test_a_slow_server_is_waited_for(net, server: FileServer, cfg: EasyDict) -> None:
    net(hash=SHA256)
    server.plan["/net.pth"] = [slow(pieces=6, pause=0.2)]
    assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_file_that_the_server_calls_compressed_is_kept_as_it_is(
    net, server: FileServer, cfg: EasyDict
) -> None:
    net(hash=SHA256)
    server.plan["/net.pth"] = [called_compressed]
    assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT


def test_a_moved_address_is_followed(net, server: FileServer, cfg: EasyDict) -> None:
    net(hash=SHA256)
    server.files["/there.pth"] = CONTENT
    server.plan["/net.pth"] = [moved("/there.pth")]
    assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT


@pytest.mark.parametrize("failure", [status(404), web_page, moved("/net.pth")])
def test_the_next_address_is_tried(net, failure, server: FileServer, cfg: EasyDict) -> None:
    mirror = f"{server.address}/mirror/net.pth"
    net(hash=SHA256, addresses=[f"{server.address}/net.pth", mirror])
    server.plan["/net.pth"] = [failure] * 40
    server.files["/mirror/net.pth"] = CONTENT
    assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT


def test_all_failures_are_in_one_message(net, server: FileServer, cfg: EasyDict) -> None:
    gone = [f"{server.address}/gone.pth", "http://127.0.0.1:1/net.pth"]
    net(hash=SHA256, addresses=[*gone, f"{server.address}/net.pth"])
    server.plan["/net.pth"] = [web_page]
    with pytest.raises(IsegmError) as error:
        fetch("net", cfg, patience=QUICK)
    for reason in ("gone.pth: the server answers 404", "no connection to the server", "a web page"):
        assert reason in str(error.value)
    assert left(Path(cfg.config_path).parent / "weights") == [".net.pth.lock"]


def test_another_file_is_never_given_its_name(net, server: FileServer, cfg: EasyDict) -> None:
    net(hash=SHA256)
    server.files["/net.pth"] = OTHER
    with pytest.raises(IsegmError, match="not the published file: its sha256 hash is"):
        fetch("net", cfg, patience=QUICK)
    assert left(Path(cfg.config_path).parent / "weights") == [".net.pth.lock"]


@pytest.mark.parametrize(("size", "said"), [(300_001, "300,001"), ("2.0 MB", "states 2 MB")])
def test_a_wrong_size(net, size: int | str, said: str, cfg: EasyDict) -> None:
    net(size=size)
    with pytest.raises(IsegmError, match=f"it has 300,000 bytes, and .*{said}"):
        fetch("net", cfg, patience=QUICK)


def test_one_that_is_here_and_another_file_stays(net, cfg: EasyDict) -> None:
    net(hash=SHA256)
    folder = Path(cfg.config_path).parent / "weights"
    folder.mkdir()
    (folder / "net.pth").write_bytes(b"of mine")
    with pytest.raises(IsegmError, match=r"net.pth is not the published file.*move it away"):
        fetch("net", cfg, patience=QUICK)
    assert (folder / "net.pth").read_bytes() == b"of mine"


class TestTrustOnFirstUse:
    def test_the_hash_is_recorded_and_said(self, net, cfg: EasyDict, caplog) -> None:
        caplog.set_level("INFO", "isegm")
        net()
        path = fetch("net", cfg, patience=QUICK)
        assert "(trust on first use)" in caplog.text
        record = json.loads((path.parent / RECORDS).read_text())["net.pth"]
        assert record["sha256"] == digest(path, "sha256")
        assert record["bytes"] == len(CONTENT)

    def test_it_is_compared_with_a_second_download(self, net, server, cfg: EasyDict) -> None:
        net()
        fetch("net", cfg, patience=QUICK).unlink()
        server.files["/net.pth"] = OTHER
        with pytest.raises(IsegmError, match=r"was recorded on .* delete that record"):
            fetch("net", cfg, patience=QUICK)
        server.files["/net.pth"] = CONTENT
        assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT

    def test_a_change_on_disk_is_noticed(self, net, cfg: EasyDict) -> None:
        net()
        fetch("net", cfg, patience=QUICK).write_bytes(OTHER)
        with pytest.raises(IsegmError, match="is not the published file: its sha256"):
            fetch("net", cfg, patience=QUICK)

    def test_a_damaged_record_is_named(self, net, cfg: EasyDict) -> None:
        net()
        path = fetch("net", cfg, patience=QUICK)
        (path.parent / RECORDS).write_text("{")
        with pytest.raises(IsegmError, match=f"{RECORDS}.* is damaged"):
            fetch("net", cfg, patience=QUICK)


def test_a_place_that_cannot_be_written(net, cfg: EasyDict, tmp_path: Path) -> None:
    net(hash=SHA256)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(IsegmError, match=r"cannot be written: .* is a file and no folder.*--to"):
        fetch("net", cfg, to=tmp_path / "file", patience=QUICK)


def test_a_full_disk(net, cfg: EasyDict) -> None:
    net(size=10**17)
    with pytest.raises(IsegmError, match=r"net.pth needs about .* left; make room"):
        fetch("net", cfg, patience=QUICK)


def test_a_file_without_an_address(zoo, cfg: EasyDict) -> None:
    about = {"method": "X", "page": "https://drive.example/folder", "called": "Net (COCO)"}
    zoo(checkpoints={"net": about})
    with pytest.raises(IsegmError) as error:
        fetch("net", cfg)
    for part in ("'Net (COCO)' at https://drive.example/folder", "net.pth", "sha256 is recorded"):
        assert part in str(error.value)


class TestDrive:
    """The client of the drive is not ours; what is asked of it and made of its answers is."""

    def test_the_file_of_an_id(self, net, cfg: EasyDict, monkeypatch: pytest.MonkeyPatch) -> None:
        gdown = pytest.importorskip("gdown")

        def download(id: str, output: str, resume: bool) -> str:
            assert (id, resume) == ("some-id", True)
            Path(output).write_bytes(CONTENT)
            return output

        monkeypatch.setattr(gdown, "download", download)
        net(hash=SHA256, addresses=["drive:some-id"])
        assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT

    def test_a_refusal(self, net, cfg: EasyDict, monkeypatch: pytest.MonkeyPatch) -> None:
        gdown = pytest.importorskip("gdown")

        def download(**_: object) -> str:
            raise gdown.exceptions.FileURLRetrievalError("Too many users\nhave viewed it")

        monkeypatch.setattr(gdown, "download", download)
        net(hash=SHA256, addresses=["drive:some-id"])
        with pytest.raises(IsegmError, match=r"drive:some-id: Too many users\. Or get it at"):
            fetch("net", cfg, patience=QUICK)

    def test_without_its_client(self, net, cfg: EasyDict, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "gdown", None)
        net(hash=SHA256, addresses=["drive:some-id"])
        with pytest.raises(IsegmError, match=r"need the package gdown: pip install 'isegm\[drive"):
            fetch("net", cfg, patience=QUICK)


def test_two_at_once_download_once(net, server: FileServer, cfg: EasyDict) -> None:
    net(hash=SHA256)
    server.plan["/net.pth"] = [slow(pieces=5, pause=0.1)]
    results: list[Path] = []
    threads = [
        threading.Thread(target=lambda: results.append(fetch("net", cfg, patience=QUICK)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert len(server.asked) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_stopped_leaves_what_the_next_one_continues(
    net, number: signal.Signals, server: FileServer, cfg: EasyDict, tmp_path: Path, caplog
) -> None:
    net(hash=SHA256)
    server.plan["/net.pth"] = [slow(pieces=60, pause=0.5)]
    words = [sys.executable, "-m", "isegm", "download", "net", "--config-path", cfg.config_path]
    running = subprocess.Popen(words, stdout=-1, stderr=-1, text=True, env=os.environ)
    part, before = tmp_path / "weights/net.pth.part", time.monotonic()
    while not (part.exists() and part.stat().st_size) and time.monotonic() - before < 200:
        time.sleep(0.05)
    running.send_signal(number)
    _, said = running.communicate(timeout=30)
    have = part.stat().st_size
    assert 0 < have < len(CONTENT)
    assert set(left(part.parent)) == {".net.pth.lock", "net.pth.part", "net.pth.part.json"}
    if number != signal.SIGKILL:
        assert running.returncode == 130
        assert said.endswith("the same command resumes there\ninterrupted\n")

    caplog.set_level("INFO", "isegm")
    assert fetch("net", cfg, patience=QUICK).read_bytes() == CONTENT
    assert f"{have:,} bytes of it are here already" in caplog.text
    assert server.asked[-1] == ("/net.pth", f"bytes={have}-")
