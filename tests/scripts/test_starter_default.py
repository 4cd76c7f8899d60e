"""Commands that take a checkpoint answer with the starter where none is given."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from layouts import picture, write

from isegm.core.errors import IsegmError
from isegm.methods.checkpoints import find_checkpoint
from isegm.utils.config import REPOSITORY, load_config
from isegm.utils.experiment import load_experiment

STARTER = find_checkpoint({}, "starter")


def script(name: str, monkeypatch: pytest.MonkeyPatch, *words: object) -> ModuleType:
    monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
    return load_experiment(REPOSITORY / "scripts" / f"{name}.py")


@pytest.mark.parametrize("words", [(), ("--checkpoint", "starter")])
def test_try_clicks(words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    image, probs = write(tmp_path / "photo.png", picture(48, 64)), tmp_path / "probs.npy"
    words = ("--image", image, "--clicks", "20,30,1", "--save-probs", probs, "--cpu", *words)
    script("try_clicks", monkeypatch, *words).main()
    assert f"checkpoint {STARTER} (isegm), protocol starter v1, NoBRS" in capsys.readouterr().out
    assert np.load(probs).shape == (1, 48, 64)


@pytest.mark.parametrize("words", [(), ("--checkpoint", "starter")])
def test_evaluate_model(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("evaluate_model", monkeypatch, "NoBRS", *words)
    assert module.checkpoint_path(module.parse_args(), load_config()) == STARTER


def test_a_folder_of_models_needs_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("evaluate_model", monkeypatch, "NoBRS", "--model_dir", tmp_path)
    with pytest.raises(IsegmError, match="--checkpoint"):
        module.checkpoint_path(module.parse_args(), load_config())


def test_measure_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--cpu", "--size", "64,96", "--repeats", 1, "--objects", 1, "--save-json", tmp_path / "speed.json")
    script("measure_speed", monkeypatch, *words).main()
    speed = json.loads((tmp_path / "speed.json").read_text())
    assert (speed["model"], speed["protocol"]) == ("starter", "starter v1")
    assert speed["parameters"] <= 5e6
