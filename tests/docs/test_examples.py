"""The complete examples of the documentation work: each is written to where its page says, and used
as the page uses it.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from layouts import coco, comb, config, write

import isegm.originals
from isegm.core.registry import build
from isegm.data.evaluation_sets import evaluation_sets
from isegm.inference.protocol import load_protocol
from isegm.methods.checkpoints import find_checkpoint, save_model
from isegm.originals.loading import load_model, save_published
from isegm.training.experiment_file import load_experiment
from isegm.training.options import RunOptions
from isegm.training.trainer import Trainer
from isegm.utils.config import REPOSITORY, load_config

EXAMPLE = re.compile(r"<!-- file: (\S+) -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = {
    "epochs": 1,
    "max_steps": 1,
    "batch_size": 2,
    "workers": 0,
    "channels_last": False,
    "validate_every": None,
}


def examples(page: str) -> dict[str, str]:
    """The example files of a page: path to content."""
    return dict(EXAMPLE.findall((REPOSITORY / page).read_text()))


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Import an example as the module it would be, without writing into the package."""

    def load(name: str, source: str, file: str) -> ModuleType:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        described = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(described)
        monkeypatch.setitem(sys.modules, name, module)
        described.loader.exec_module(module)
        return module

    return load


def cells(folder: Path) -> Path:
    """Four images of one bright cell each, with masks of 0 and 255."""
    rng = np.random.default_rng(0)
    for i in range(4):
        image, mask = rng.integers(0, 90, (40, 56, 3), dtype=np.uint8), np.zeros((40, 56), np.uint8)
        mask[8 : 24 + i, 10:34] = 255
        image[mask > 0] += 120
        write(folder / "images" / f"{i}.png", image)
        write(folder / "masks" / f"{i}.png", mask)
    return folder


def written(folder: Path, file: str, source: str) -> Path:
    """An example as a file, with what the scripts in models/ share at its place."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    shutil.copy2(REPOSITORY / "models/shared.py", path.parents[1])
    return path


def one_step(
    script: Path, folder: Path, paths: dict[str, Path] | None = None, **changes: object
) -> Path:
    """Train an experiment for a step and return what it made; ``changes`` have ``__`` for the dots
    of a path.
    """
    cfg = load_config()
    cfg.update({key: str(path) for key, path in (paths or {}).items()})
    cfg.EXPS_PATH = str(folder / "experiments")
    cfg.CELLS_PATH = str(folder / "cells")
    loaded = load_experiment(script)
    overrides = {f"train.{name}": value for name, value in (STEP | {"amp": "off"}).items()}
    overrides |= {name.replace("__", "."): value for name, value in changes.items()}
    experiment = loaded.experiment.changed(overrides)
    run = Trainer(experiment, cfg, RunOptions(name=loaded.name, files=loaded.files, cpu=True)).fit()
    assert load_experiment(run / "experiment.json").experiment == experiment.completed()
    return run / "model.safetensors"


NARROW = {"model__backbone__width": 8, "model__backbone__depth": "tiny"}
NARROW |= {"model__head__in_channels": 120, "model__head__width": 16}


def test_a_mix_of_your_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells(tmp_path / "data" / "mine")
    for split in ("train2017", "val2017"):
        coco(tmp_path / "COCO", split)
    ((file, source),) = examples("docs/reference/data.md").items()
    script = written(tmp_path, file, source)
    monkeypatch.chdir(tmp_path)
    small = {"data__augment__crop": [32, 32], "data__epoch_len": 2, "data__min_object_area": 4}
    made = one_step(script, tmp_path, **NARROW, **small, paths={"COCO_PATH": tmp_path / "COCO"})
    assert load_model(made).source == "isegm"


def test_a_folder_of_your_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split in ("train", "val"):
        cells(tmp_path / "data" / "cells" / split)
    ((file, source),) = examples("docs/how-to/your_own_data.md").items()
    script = written(tmp_path, file, source)
    monkeypatch.chdir(tmp_path)
    crops = {"data__augment__crop": [64, 64]}
    changes = {"data__epoch_len": 2, "train__weights": "starter"}
    made = load_model(one_step(script, tmp_path, **crops, **changes))
    starter = load_model(find_checkpoint({}, "starter"))
    assert made.spec == starter.spec
    key = "backbone.network.conv_stem.image.weight"
    near = (made.model.state_dict()[key] - starter.model.state_dict()[key]).abs().max()
    assert 0 < near < 0.01  # one step away from it


@pytest.fixture
def plain(imported) -> ModuleType:
    return imported(
        "isegm.methods.plain",
        examples("docs/how-to/add_a_method.md")["isegm/methods/plain.py"],
        "plain.py",
    )


def contract() -> ModuleType:
    described = importlib.util.spec_from_file_location(
        "contract", REPOSITORY / "tests/methods/test_contract.py"
    )
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


CONTRACT = contract()


@pytest.mark.parametrize("name", [name for name in vars(CONTRACT) if name.startswith("test_")])
def test_the_example_method_keeps_the_contract(plain: ModuleType, name: str) -> None:
    torch.manual_seed(0)
    getattr(CONTRACT, name)(CONTRACT.settled(plain.tiny()))


def test_the_example_method_trains(plain: ModuleType, tmp_path: Path) -> None:
    file = "models/plain/tiny_synthetic.py"
    script = written(tmp_path, file, examples("docs/how-to/add_a_method.md")[file])
    small = {"data__source__size": [32, 32], "data__augment__crop": [32, 32], "data__epoch_len": 2}
    made = one_step(script, tmp_path, **small)
    assert load_model(made).spec == load_experiment(script).experiment.model


def test_files_of_the_example_code_base_are_found_read_and_written(
    plain: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "originals"
    folder.mkdir()
    source = examples("docs/how-to/add_a_method.md")["isegm/originals/plain.py"]
    (folder / "plain.py").write_text(source)
    monkeypatch.setattr(isegm.originals, "__path__", [*isegm.originals.__path__, str(folder)])
    described = plain.plain_hrnet(width=4)
    save_model(tmp_path / "plain.safetensors", build(described), described)
    try:
        save_published(tmp_path / "plain.pth", load_model(tmp_path / "plain.safetensors"))
        loaded = load_model(tmp_path / "plain.pth")
    finally:
        sys.modules.pop("isegm.originals.plain", None)
    assert "last.weight" in torch.load(tmp_path / "plain.pth", weights_only=True)
    assert (loaded.source, loaded.spec) == ("Plain (published)", described)


def test_the_example_data_set(imported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = examples("docs/how-to/add_a_dataset.md")
    module = imported("isegm.data.sources.cells", files["isegm/data/sources/cells.py"], "cells.py")
    assert "Cells" not in evaluation_sets()  # the example must not shadow a real set
    cfg = load_config()
    cfg.CELLS_PATH = str(cells(tmp_path / "cells"))
    dataset = module.EVALUATION["Cells"](cfg)
    assert len(dataset) == len(dataset.ids()) == 4
    assert set(np.unique(dataset[0].gt)) == {0, 1}
    file = "models/cells/tiny.py"
    script = written(tmp_path, file, files[file])
    experiment = load_experiment(script).experiment
    item = build(experiment.data, cfg=cfg)[0, 0]
    assert item["image"].shape == (3, 256, 256)
    assert (item["target"] == 1).any()
    assert one_step(script, tmp_path, data__augment__crop=[32, 32], data__epoch_len=2).exists()


COMPLETENESS = (
    "tests/models/test_experiments.py",
    "tests/docs/test_experiments_page.py",
    "tests/test_layers.py",
    "tests/methods/test_contract.py",
    "tests/cli/test_commands.py",
    "tests/foreign/test_classical.py",
    "tests/bridges/test_bridge_command.py",
)
PAGES = ("add_a_method", "add_a_dataset", "add_a_part", "add_a_user", "add_a_view_rule")
PAGES += ("foreign", "bridges/index")
IN_PLACE = (
    *("plain", "cells", "parts", "areas", "nearest_color", "python_function"),
    "every_script",
)
IN_PLACE += ("imports_point_down", "reexported", "layer", "one_line_for_each")
TABLE = "docs/reference/experiments.md"


def test_the_examples_in_place_pass_the_checks_of_the_whole_suite(tmp_path: Path) -> None:
    """A copy of the repository with every example where its page puts it, as the pages say, and the
    tests that look for all files.
    """
    clone = tmp_path / "clone"
    skipped = shutil.ignore_patterns(
        ".git", ".venv", "experiments", "__pycache__", "weights", "*.pth", "*.safetensors"
    )
    shutil.copytree(REPOSITORY, clone, ignore=skipped)
    names = []
    for page in PAGES:
        for file, source in examples(f"docs/how-to/{page}.md").items():
            if not file.startswith(("isegm/", "models/")):
                continue
            (clone / file).parent.mkdir(parents=True, exist_ok=True)
            (clone / file).write_text(source)
            names += [file] if file.startswith("models/") else []
    with (clone / TABLE).open("a") as table:
        table.writelines(f"\n`{name}`\n" for name in names)
    chosen = " or ".join(IN_PLACE)
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-k",
        chosen,
        *COMPLETENESS,
    ]
    words += [
        "--deselect",
        "tests/models/test_experiments.py::test_one_step[cells/tiny.py]",
    ]  # no such data there
    done = subprocess.run(
        words,
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(clone)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "100%]" in done.stdout


PUBLIC = """
from isegm.core.registry import spec
from isegm.data.augment import photographs
from isegm.data.dataset import ClickDataset
from isegm.data.mix import Joined, Mix, Part
from isegm.data.pasted import PastedScenes
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.coco import coco_images
from isegm.data.sources.coco_lvis import coco_lvis_images
from isegm.data.sources.duts import duts_images
from isegm.methods.ritm import ritm_hrnet
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative
"""


def block(page: str, first: str) -> dict[str, Any]:
    """What the block of a page that begins so defines, run with the public names."""
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / page).read_text(), re.DOTALL)
    (code,) = [code for code in blocks if code.startswith(first)]
    names: dict[str, Any] = {}
    exec(PUBLIC + code, names)
    return names


def test_the_example_experiment_is_the_published_one() -> None:
    shown = block("docs/how-to/train.md", "CLICKS =")["EXPERIMENT"].completed()
    published = load_experiment(REPOSITORY / "models/ritm/hrnet18s_cocolvis.py").experiment
    assert shown == replace(published, val=None)


def test_the_example_mix(tmp_path: Path) -> None:
    cfg = config(**comb(tmp_path), COCO_PATH=coco(tmp_path / "COCO"))
    source = build(block("docs/reference/data.md", "salient =")["source"], cfg=cfg)
    assert len(source) == 2 + 2 + 3
    assert source.read(0, np.random.default_rng(0)).objects


def test_the_example_protocol(tmp_path: Path) -> None:
    (text,) = re.findall(
        r"```yaml\n(name: .*?)```",
        (REPOSITORY / "docs/reference/protocols.md").read_text(),
        re.DOTALL,
    )
    (tmp_path / "example.yml").write_text(text)
    protocol = load_protocol(str(tmp_path / "example.yml"))
    assert protocol.for_dataset("DAVIS").view["size"] == [672, 672]
    view = {"rule": "zoom_in", "size": [448, 448], "skip_clicks": -1}
    assert protocol.for_dataset("GrabCut").view == view
