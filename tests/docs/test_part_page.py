"""The examples of docs/how-to/add_a_part.md, and those of an adapter and a bridge, in a copy of the
package, used as on their pages.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isegm.utils.config import REPOSITORY

PAGES = ("add_a_part", "foreign", "bridges/index")
TEXT = {page: (REPOSITORY / f"docs/how-to/{page}.md").read_text() for page in PAGES}
FILE = re.compile(
    r"<!-- file: (isegm/\S+|models/\S+) -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
FILES = [each for text in TEXT.values() for each in FILE.findall(text)]


def commands(page: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", TEXT[page], re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("python")]


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
    run(commands("add_a_part")[0], clone)
    folder = clone / "experiments/parts/tiny_synthetic/000"
    kept = (folder / "experiment.json").read_text()
    for part in ("patches:Patches", "squares:Squares", "one_click:OneClick", "tireless:Tireless"):
        assert part in kept
    assert json.loads(kept)["experiment"]["train"]["max_steps"] == 2
    assert (folder / "model.safetensors").is_file()


def test_the_command_is_listed_and_runs(clone: Path) -> None:
    assert re.search(r"areas +Print the area of every object", run("python -m isegm", clone))
    lines = run(commands("add_a_part")[1], clone).splitlines()
    assert len(lines) == 21
    assert all(re.fullmatch(r"\S+: \d+\.\d %", line) for line in lines)


def test_the_classical_method_is_evaluated_like_any_other(clone: Path) -> None:
    (command,) = commands("foreign")
    said = run(f"{command} --save-json found.json", clone)
    assert "nearest_color" in said
    (photos,) = json.loads((clone / "found.json").read_text())["datasets"]
    ious = np.array([each["ious"] for each in photos["objects"]])
    assert 0.1 < ious[:, 0].mean() < ious[:, -1].mean()


def test_the_bridge_writes_a_function_that_a_tool_can_call(clone: Path) -> None:
    (command,) = commands("bridges/index")
    assert "from segment import segment" in run(command, clone)
    called = (
        "import numpy as np; from segment import segment\n"
        "image = np.zeros((60, 90, 3), np.uint8); image[20:40, 30:60] = 255, 200, 0\n"
        "mask = segment(image, [(30, 45, True), (5, 5, False)])\n"
        "print(mask.shape, mask[30, 45], mask[5, 5])"
    )
    env = {**os.environ, "PYTHONPATH": f"{clone}{os.pathsep}{clone / 'function'}"}
    words = [sys.executable, "-c", called]
    done = subprocess.run(words, cwd=clone, env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "(60, 90) True False\n", done.stderr
