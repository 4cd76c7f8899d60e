"""``isegm bridge``: its list, its mistakes, and what it needs."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from isegm.bridges import base
from isegm.bridges.base import BRIDGES, FilesBridge, ServerBridge
from isegm.cli.commands import parser_of, run_command
from isegm.core.errors import IsegmError

WITHOUT = """
import builtins, sys

OPTIONAL = {"fastapi", "uvicorn", "starlette", "cvat_sdk", "napari", "qtpy", "onnx", "onnxruntime"}
plain = builtins.__import__


def without(name, globals=None, locals=None, fromlist=(), level=0):
    if level == 0 and name.split(".")[0] in OPTIONAL:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return plain(name, globals, locals, fromlist, level)


builtins.__import__ = without
from isegm.bridges.base import BRIDGES
from isegm.cli.commands import parser_of

text = parser_of("bridge").format_help()
assert all(name.replace("_", "-") in text for name in BRIDGES.names())
assert not OPTIONAL & set(sys.modules)
"""

SERVERS = [n for n in BRIDGES.names() if issubclass(BRIDGES.part(n), ServerBridge)]
WRITERS = [n for n in BRIDGES.names() if issubclass(BRIDGES.part(n), FilesBridge)]


def test_the_list_has_one_line_for_each() -> None:
    text = parser_of("bridge").format_help()
    for name in BRIDGES.names():
        summary = BRIDGES.part(name)().description.split("\n")[0]
        assert name.replace("_", "-") in text
        assert " ".join(summary.split()) in " ".join(text.split())


@pytest.mark.parametrize("name", BRIDGES.names())
def test_help_says_where_the_page_is(name: str) -> None:
    bridge = BRIDGES.part(name)()
    (page,) = {word.rstrip(".:,") for word in bridge.description.split() if "docs/" in word}
    assert (Path(base.__file__).parents[2] / page).is_file()


def test_an_unknown_tool_is_refused_with_those_there_are(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command("bridge", ["photoshop"])
    assert ended.value.code == 2
    assert "choose from" in capsys.readouterr().err


def test_the_list_needs_no_optional_package() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True)


@pytest.mark.parametrize("name", SERVERS)
def test_a_taken_port_is_noticed_before_the_model_is_loaded(name: str) -> None:
    pytest.importorskip("fastapi")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = [name.replace("_", "-"), "--port", str(taken.getsockname()[1])]
        assert run_command("bridge", [*words, "--checkpoint", "none_such"]) == 2
        args = parser_of("bridge").parse_args(words)
        with pytest.raises(IsegmError, match="choose another --port"):
            BRIDGES.part(name)().start(args, lambda: pytest.fail("loaded"))


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_written_over(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for out, said in ((tmp_path, "not empty"), (tmp_path / "mine.txt", "is a file")):
        args = parser_of("bridge").parse_args([name.replace("_", "-"), "--out", str(out)])
        with pytest.raises(IsegmError, match=said):
            BRIDGES.part(name)().start(args, lambda: pytest.fail("loaded"))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
