"""The quick start: what it does first, and that its commands exist as it calls them."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from isegm.core.errors import IsegmError
from isegm.utils.config import REPOSITORY

SCRIPT = REPOSITORY / "scripts/quickstart.py"


class Stopped(Exception):
    pass


def script(path: Path = SCRIPT) -> ModuleType:
    described = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


def commands_until(monkeypatch: pytest.MonkeyPatch, out: Path, count: int) -> list[list[str]]:
    """The first commands of the script, none of which is run."""
    module, called = script(), []

    def command(*words: object) -> None:
        if len(called) == count:
            raise Stopped
        called.append([str(word) for word in words])

    monkeypatch.setattr(module, "command", command)
    monkeypatch.setattr(module, "save_untrained", lambda path: None)
    monkeypatch.setattr(module, "newest_model", lambda folder, since: SCRIPT)
    monkeypatch.setattr("sys.argv", ["quickstart.py", "--out", str(out)])
    with pytest.raises(Stopped):
        module.main()
    return called


def test_the_starter_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, second, third = commands_until(monkeypatch, tmp_path, 3)
    assert first[0] == "scripts/picture_strip.py"
    assert second[0] == "train.py"
    assert third[0] == "scripts/evaluate_model.py"

    strip = script(REPOSITORY / "scripts/picture_strip.py")
    monkeypatch.setattr("sys.argv", first)
    args = strip.parse_args()
    assert (args.checkpoint, args.dataset, args.cpu) == ("starter", "photos", True)
    assert args.out == tmp_path / "photos.png"


def test_it_reports_both_results_of_its_own_commands(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    module, saved = script(), {}
    clicks = {"untrained": 20.0, "trained": 8.0}

    def command(*words: object) -> None:
        if words[0] == "scripts/evaluate_model.py":
            options = dict(pairwise(words))
            saved[options["--save-json"]] = clicks[options["--model-name"]]
            assert options["--checkpoint"].exists(), "written before it is evaluated"

    def load(path: Path) -> SimpleNamespace:
        return SimpleNamespace(datasets=[SimpleNamespace(metrics={"NoC@85": saved[path]})])

    monkeypatch.setattr(module, "command", command)
    monkeypatch.setattr(module, "newest_model", lambda folder, since: SCRIPT)
    monkeypatch.setattr(module, "draw_overlays", lambda result, model, out: None)
    monkeypatch.setattr(module.RunResult, "load", load)
    monkeypatch.setattr("sys.argv", ["quickstart.py", "--out", str(tmp_path)])
    module.main()
    assert "20.00 untrained, 8.00 trained." in capsys.readouterr().out


def test_a_command_that_fails_stops_it(capfd: pytest.CaptureFixture) -> None:
    module = script()
    with pytest.raises(IsegmError, match="ended with status 2"):
        module.command("scripts/picture_strip.py", "--no-such-flag")
    said = capfd.readouterr()
    assert "$ python scripts/picture_strip.py --no-such-flag" in said.out
    assert "--out" in said.err
