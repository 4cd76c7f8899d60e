"""train.py and scripts/*.py run the package beside them, whatever copy is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from launching import CONFIG, SCRIPT, environment

from isegm.cli.commands import summaries
from isegm.utils.config import REPOSITORY

SCRIPTS = [
    Path("train.py"),
    *sorted(p.relative_to(REPOSITORY) for p in (REPOSITORY / "scripts").glob("*.py")),
]
DOORS = [path for path in SCRIPTS if "run_command" in (REPOSITORY / path).read_text()]
# What has no __main__ is imported by a script that has put this clone first already.
OTHERS = [
    path for path in SCRIPTS if path not in DOORS and "__main__" in (REPOSITORY / path).read_text()
]
# A package with nothing but the way in, which says where it lies, in this process and in a child.
MINIMAL = """
import multiprocessing

def where(queue):
    import isegm
    queue.put(isegm.__file__)

def run_command(name, argv, prog):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=where, args=(queue,))
    child.start()
    print(name, prog, __file__, queue.get(), sep="\\n")
    child.join()
    return 7
"""


def searching(*folders: Path, **more: str) -> dict[str, str]:
    """An environment in which packages of these folders come before those that are installed."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))} | more


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second clone, of the doors and a minimal package."""
    folder = tmp_path_factory.mktemp("clone")
    for path in DOORS:
        (folder / path).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / path, folder / path)
    (folder / "isegm/cli").mkdir(parents=True)
    for name, text in (("__init__", ""), ("cli/__init__", ""), ("cli/commands", MINIMAL)):
        (folder / "isegm" / f"{name}.py").write_text(text)
    return folder


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another clone's package, which must not be imported."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "isegm").mkdir()
    (folder / "isegm/__init__.py").write_text("raise ImportError('the wrong clone')")
    return folder


def test_every_command_of_the_repository_has_one_door() -> None:
    named = [
        re.search(r'run_command\("([\w-]+)"', (REPOSITORY / path).read_text())[1] for path in DOORS
    ]
    assert sorted(named) == sorted(summaries())


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_a_door_runs_the_package_beside_it(clone: Path, door: Path, tmp_path: Path) -> None:
    words = [sys.executable, clone / door]
    done = subprocess.run(
        words, cwd=tmp_path, env=searching(REPOSITORY), check=False, capture_output=True, text=True
    )
    assert done.returncode == 7, done.stderr
    _, prog, parent, child = done.stdout.splitlines()
    assert prog == door.name
    assert parent == str(clone / "isegm/cli/commands.py")
    assert child == str(clone / "isegm/__init__.py")


@pytest.mark.parametrize("script", OTHERS, ids=str)
def test_so_does_every_other_script(script: Path, broken: Path, tmp_path: Path) -> None:
    words = [sys.executable, REPOSITORY / script, "--help"]
    subprocess.run(
        words, cwd=tmp_path, env=searching(broken), check=True, stdout=subprocess.DEVNULL
    )


@pytest.mark.parametrize(
    "launcher", [[], ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]]
)
def test_so_do_all_processes_of_a_training(
    launcher: list[str], broken: Path, tmp_path: Path
) -> None:
    """Training processes and their data workers; the package in the way raises when it is
    imported.
    """
    words = [
        SCRIPT,
        "--config-path",
        CONFIG,
        "--cpu",
        "--epochs",
        "1",
        "--workers",
        "1",
        *([] if launcher else ["--ngpus", "2"]),
    ]
    done = subprocess.run(
        [sys.executable, *launcher, REPOSITORY / "train.py", *words],
        cwd=tmp_path,
        env=environment(tmp_path, PYTHONPATH=str(broken)),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "2 process(es) on cpu" in done.stderr
