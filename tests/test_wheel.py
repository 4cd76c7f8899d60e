"""What a wheel carries, and that isegm finds its files without a clone around it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from isegm.core.registry import build
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.results import RunResult
from isegm.inference.protocol import known_protocols, load_protocol
from isegm.methods.checkpoints import save_model
from isegm.methods.ritm import ritm_hrnet
from isegm.utils.config import REPOSITORY, load_config
from isegm.utils.vis import write_image

pytest.importorskip("setuptools", minversion="70.1")

BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
USE = """
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.ledger import read_ledger
from isegm.inference.protocol import known_protocols, load_protocol
from isegm.utils.config import REPOSITORY, load_config
print(REPOSITORY)
print(*(load_protocol(name).label for name in known_protocols()), sep=", ")
print(len(read_ledger()) > 10, load_config().config_path)
photos = evaluation_set("photos", load_config())
print(len(photos), photos[0].image.shape, photos.fingerprint())
"""
STARTER = """
import socket

def offline(*_):
    raise OSError("no network in this test")

socket.socket.connect = socket.getaddrinfo = offline
import numpy as np
image = np.full((160, 200, 3), (60, 110, 50), np.uint8)  # a bright square on green
image[40:120, 60:140] = (30, 140, 230)

import isegm
engine = isegm.Engine(device="cpu")
mask = engine.predict([100], [80], [True], image)

truth = np.zeros(mask.shape, bool)
truth[40:120, 60:140] = True
print(isegm.__file__)
print(((mask > 0) & truth).sum() / ((mask > 0) | truth).sum())
"""


def python(*words: object, at: Path, path: Path | None = None) -> str:
    search = {} if path is None else {"PYTHONPATH": str(path)}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=at,
        env=os.environ | search,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: a build leaves files behind, and those of an earlier one would end up in
    the wheel.
    """
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("isegm", "configs", "assets"):
        shutil.copytree(
            REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in (
        "pyproject.toml",
        "setup.py",
        "README.md",
        "LICENSE",
        "requirements.txt",
        "config.yml",
    ):
        shutil.copy(REPOSITORY / name, source)
    python("-c", BUILD, built, at=source)
    (found,) = built.glob("isegm-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def test_it_holds_the_package_and_what_it_reads(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = {p.relative_to(REPOSITORY) for p in (REPOSITORY / "isegm").rglob("*") if p.is_file()}
    read = (".py", ".html", ".css", ".js", ".svg", ".yaml")
    expected = {p.as_posix() for p in package if p.suffix in read}
    protocols = {f"configs/eval/{name}.yml" for name in known_protocols()}
    photos = {p.relative_to(REPOSITORY) for p in (REPOSITORY / "assets/photos").rglob("*.*")}
    others = {"config.yml", "assets/published.csv", "assets/starter.safetensors", "assets/zoo.yml"}
    files = protocols | {p.as_posix() for p in photos} | others
    shipped = {f"isegm/shipped/{name}" for name in files}
    assert names == expected | shipped


def test_it_brings_the_isegm_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (entries,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
    assert "isegm = isegm.cli.commands:main" in archive.read(entries).decode()


def test_commands_work_outside_a_clone(installed: Path, tmp_path: Path) -> None:
    """In an empty folder, with the configuration and the protocols that the wheel carries."""
    assert "check-data " in python("-m", "isegm", "--help", at=tmp_path, path=installed)
    described = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
    save_model(tmp_path / "model.safetensors", build(described), described)
    write_image(tmp_path / "photo.jpg", np.zeros((60, 80, 3), np.uint8))
    asked = ("--checkpoint", "model.safetensors", "--cpu")

    words = ("--image", "photo.jpg", "--clicks", "20,30,1 40,10,0", "--save-mask", "mask.png")
    said = python("-m", "isegm", "try", *asked, *words, at=tmp_path, path=installed)
    assert "click 2 -(40,10)" in said
    assert (tmp_path / "mask.png").exists()

    words = ("--datasets", "synthetic", "--limit", 2, "--n-clicks", 2)
    said = python("-m", "isegm", "evaluate", "NoBRS", *asked, *words, at=tmp_path, path=installed)
    assert said.startswith("| model | protocol ")
    result = tmp_path / "experiments/evaluation_logs/model.json"
    assert f"result file: {result}" in said
    assert len(RunResult.load(result).datasets[0].objects) == 2


def test_its_files_are_found_from_anywhere(installed: Path, tmp_path: Path) -> None:
    root, labels, rest, photos = python("-c", USE, at=tmp_path, path=installed).splitlines()
    assert Path(root) == installed
    assert labels.split(", ") == [load_protocol(name).label for name in known_protocols()]
    assert rest == f"True {tmp_path / 'config.yml'}"
    here = evaluation_set("photos", load_config())
    assert photos == f"{len(here)} (512, 512, 3) {here.fingerprint()}"


def test_the_starter_answers_in_three_lines_without_a_network(
    installed: Path, tmp_path: Path
) -> None:
    module, iou = python("-c", STARTER, at=tmp_path, path=installed).splitlines()
    assert installed in Path(module).parents
    assert float(iou) > 0.8


def test_those_of_a_clone_that_one_works_in_come_first(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "configs/eval").mkdir(parents=True)
    (tmp_path / "configs/eval/ritm.yml").write_text("name: ritm\nversion: 99")
    (tmp_path / "configs/eval/mine.yml").write_text("name: mine\nversion: 1")
    _, labels, *_ = python("-c", USE, at=tmp_path, path=installed).splitlines()
    assert {"ritm v99", "mine v1", "focalclick v1"} <= set(labels.split(", "))
