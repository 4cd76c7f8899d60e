"""The isegm command: its list, its help, its mistakes, and how little it imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import isegm
from isegm.cli import commands
from isegm.cli.commands import main, parser_of, run_command, summaries
from isegm.core.errors import IsegmError

COMMANDS = list(summaries())


def test_the_list_names_every_file_with_a_command() -> None:
    files = {path.stem for path in commands.HERE.glob("*.py")}
    shared = {"__init__", "commands", "flags", "measuring", "models", "replaying"}
    shared |= {"reproducing", "running", "train_flags"}
    assert {name.replace("-", "_") for name in COMMANDS} == {f.rstrip("_") for f in files - shared}
    assert {"train", "evaluate", "try", "check-data"} <= set(COMMANDS)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_the_list_has_one_line_for_each(words: list[str], capsys: pytest.CaptureFixture) -> None:
    assert main(words) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said and summary in said for name, summary in summaries().items())
    assert max(map(len, said.splitlines())) <= 120


def test_a_new_file_is_a_new_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    text = '"""Say a word."""\nimport torch_is_not_needed\n'
    functions = "def add_flags(parser): pass\ndef main(args): pass\n"
    (tmp_path / "say_it.py").write_text(text + functions)
    (tmp_path / "helper.py").write_text(text)
    monkeypatch.setattr(commands, "HERE", tmp_path)
    assert summaries() == {"say-it": "Say a word."}
    main([])
    assert "say-it  Say a word." in capsys.readouterr().out


def test_an_unknown_command_names_the_nearest(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(IsegmError, match="unknown command 'evalute'; did you mean evaluate"):
        parser_of("evalute")
    assert run_command("evalute", []) == 2


def test_the_version(capsys: pytest.CaptureFixture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{isegm.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str) -> None:
    text = parser_of(name).format_help()
    assert text.startswith(f"usage: isegm {name} ")
    assert summaries()[name] in text
    assert "(default: None)" not in text
    assert parser_of(name, "x.py").format_help().startswith("usage: x.py ")


def test_the_list_comes_without_torch() -> None:
    code = "import sys; from isegm.cli.commands import main; main(['--help'])\n"
    code += "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_python_m_isegm_gives_the_exit_status() -> None:
    words = [sys.executable, "-m", "isegm", "convert", "nowhere.pth", "target.txt"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: target.txt: expected a name that ends in")
