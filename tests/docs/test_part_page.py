"""The examples of docs/how-to/add_a_part.md in a copy of the package, used as on the page."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from isegm.utils.config import REPOSITORY

PAGE = (REPOSITORY / "docs/how-to/add_a_part.md").read_text()
FILES = re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands need of the repository, with the examples where the page puts them."""
    root = tmp_path_factory.mktemp("parts")
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("isegm", "configs", "assets"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=skipped)
    for name in ("train.py", "config.yml"):
        shutil.copy2(REPOSITORY / name, root)
    for file, source in FILES:
        assert not (REPOSITORY / file).exists(), "the example must not shadow a real part"
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(source)
    return root


def run(command: str, clone: Path) -> str:
    words = [sys.executable, *command.split()[1:]]
    env = {**os.environ, "PYTHONPATH": str(clone)}
    done = subprocess.run(words, cwd=clone, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_experiment_trains_with_the_parts_of_the_page(clone: Path) -> None:
    run(COMMANDS[0], clone)
    folder = clone / "experiments/parts/tiny_synthetic/000"
    kept = (folder / "experiment.json").read_text()
    for part in ("patches:Patches", "squares:Squares", "one_click:OneClick", "tireless:Tireless"):
        assert part in kept
    assert json.loads(kept)["experiment"]["train"]["max_steps"] == 2
    assert (folder / "model.safetensors").is_file()


def test_the_command_is_listed_and_runs(clone: Path) -> None:
    assert re.search(r"areas +Print the area of every object", run("python -m isegm", clone))
    lines = run(COMMANDS[1], clone).splitlines()
    assert len(lines) == 21
    assert all(re.fullmatch(r"\S+: \d+\.\d %", line) for line in lines)
