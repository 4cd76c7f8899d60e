"""isegm download: what it lists, takes, and says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from easydict import EasyDict
from file_server import FileServer

from isegm.cli import download
from isegm.cli.commands import parser_of
from isegm.core.errors import IsegmError


@pytest.fixture
def run(cfg: EasyDict) -> Callable[..., int]:
    def call(*words: object) -> int:
        asked = [*map(str, words), "--config-path", cfg.config_path]
        return download.main(parser_of("download").parse_args(asked))

    return call


@pytest.fixture
def net(server: FileServer, zoo: Callable[..., None]) -> FileServer:
    server.files |= {"/a.pth": b"a" * 100, "/b.pth": b"b" * 100}
    about = {"method": "X", "bases": [f"{server.address}/"], "page": "https://x.example"}
    files = {name: {"file": f"{name}.pth", "size": 100, **about} for name in ("a", "b")}
    by_hand = {"method": "X", "page": "https://x.example", "licence": "MIT"}
    zoo(checkpoints={**files, "hand": by_hand}, datasets={"set": {"page": "https://x.example"}})
    return server


def test_the_list(net, run, capsys: pytest.CaptureFixture) -> None:
    assert run("a") == 0
    assert run("--list") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["a", "here", "100", "bytes"] in lines
    assert ["b", "100", "bytes"] in lines
    assert ["hand", "by", "hand", "MIT"] in lines
    run("--list", "--set", "data")
    assert "checkpoints:" not in capsys.readouterr().out
    run("--list", "b")
    assert "  a " not in capsys.readouterr().out


def test_several_go_on_after_a_failure(
    net, run, capsys: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    assert run("a", "hand", "b", "a") == 2
    out = capsys.readouterr().out
    assert "a.pth" in out
    assert "b.pth" in out
    assert "error: hand cannot be downloaded by a command" in caplog.text
    assert "1 of 3 are not here" in caplog.text


def test_everything_with_an_address(net, run, capsys: pytest.CaptureFixture) -> None:
    assert run("--set", "checkpoints") == 0
    out = capsys.readouterr().out
    assert "b.pth" in out
    assert "without an address, so not downloaded: hand" in out


def test_another_folder(net, run, tmp_path: Path) -> None:
    assert run("a", "--to", tmp_path / "mine") == 0
    assert (tmp_path / "mine/a.pth").is_file()
    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name what to download; isegm download --list"),
        (("starter",), "starter comes with the package"),
        (("photos",), "photos comes with the package"),
        (("aa",), "unknown name in the zoo 'aa'; did you mean a"),
    ],
)
def test_mistakes(net, run, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(IsegmError, match=said):
        run(*words)
