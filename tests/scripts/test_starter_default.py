"""Commands that take a checkpoint answer with the starter where none is given."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from layouts import picture, write

from isegm.cli.commands import parser_of, run_command
from isegm.cli.models import checkpoint_path
from isegm.core.errors import IsegmError
from isegm.methods.checkpoints import find_checkpoint
from isegm.utils.config import load_config

STARTER = find_checkpoint({}, "starter")


def run(name: str, *words: object) -> None:
    assert run_command(name, [*map(str, words)]) == 0


def evaluated(*words: object) -> Path:
    return checkpoint_path(
        parser_of("evaluate").parse_args(["NoBRS", *map(str, words)]), load_config()
    )


@pytest.mark.parametrize("words", [(), ("--checkpoint", "starter")])
def test_try(words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    image, probs = write(tmp_path / "photo.png", picture(48, 64)), tmp_path / "probs.npy"
    words = ("--image", image, "--clicks", "20,30,1", "--save-probs", probs, "--cpu", *words)
    run("try", *words)
    assert f"checkpoint {STARTER} (isegm), protocol starter v2, NoBRS" in capsys.readouterr().out
    assert np.load(probs).shape == (1, 48, 64)


@pytest.mark.parametrize("words", [(), ("--checkpoint", "starter")])
def test_evaluate(words: tuple[str, ...]) -> None:
    assert evaluated(*words) == STARTER


def test_a_folder_of_models_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match="--checkpoint"):
        evaluated("--model_dir", tmp_path)


def test_speed(tmp_path: Path) -> None:
    words = (
        "--cpu",
        "--size",
        "64,96",
        "--repeats",
        1,
        "--objects",
        1,
        "--save-json",
        tmp_path / "speed.json",
    )
    run("speed", *words)
    speed = json.loads((tmp_path / "speed.json").read_text())
    assert (speed["model"], speed["protocol"]) == ("starter", "starter v2")
    assert speed["parameters"] <= 5e6
