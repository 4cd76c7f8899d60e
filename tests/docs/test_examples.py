"""The complete examples of the documentation work: each is written to where its page says, and used as the page uses it."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from layouts import coco, write

import isegm.originals
from isegm.core.registry import Spec, build
from isegm.data.evaluation_sets import evaluation_sets
from isegm.inference.protocol import load_protocol
from isegm.methods.checkpoints import find_checkpoint, save_model
from isegm.originals.loading import load_model, save_published
from isegm.training.config import RunOptions
from isegm.utils.config import REPOSITORY, load_config

EXAMPLE = re.compile(r"<!-- file: (\S+) -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = {"epochs": 1, "max_steps": 1, "batch_size": 2, "workers": 0, "channels_last": False, "validate_every": 0}


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


def one_step(
    experiment: ModuleType,
    folder: Path,
    model: dict[str, object],
    data: dict[str, object],
    weights: str | None = None,
    **paths: str,
) -> Path:
    """Train an experiment for a step and return what it made."""
    cfg = load_config()
    cfg.update(paths)
    cfg.EXPS_PATH = str(folder / "experiments")
    cfg.run = RunOptions(script=Path(experiment.__file__), cpu=True, weights=weights)
    cfg.overrides = {"train": STEP | {"amp": "off"}, "model": model, "data": data}
    experiment.main(cfg)
    (made,) = (folder / "experiments").rglob("model.safetensors")
    return made


def test_a_mix_of_your_own(imported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells(tmp_path / "data" / "mine")
    for split in ("train2017", "val2017"):
        coco(tmp_path / "COCO", split)
    ((file, source),) = examples("docs/data.md").items()
    experiment = imported("mine_mixed", source, file)
    monkeypatch.chdir(tmp_path)
    narrow = {"backbone.width": 8, "backbone.depth": "tiny", "head.in_channels": 120, "head.width": 16}
    small = {"crop": [32, 32], "epoch_len": 2, "min_object_area": 4}
    made = one_step(experiment, tmp_path, narrow, small, COCO_PATH=str(tmp_path / "COCO"))
    assert load_model(made).source == "isegm"


def test_a_folder_of_your_own(imported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split in ("train", "val"):
        cells(tmp_path / "data" / "cells" / split)
    ((file, source),) = examples("README.md").items()
    experiment = imported("mine_cells", source, file)
    monkeypatch.chdir(tmp_path)
    made = load_model(one_step(experiment, tmp_path, {}, {"crop": [64, 64], "epoch_len": 2}, weights="starter"))
    starter = load_model(find_checkpoint({}, "starter"))
    assert made.spec == starter.spec
    key = "backbone.network.conv_stem.image.weight"
    near = (made.model.state_dict()[key] - starter.model.state_dict()[key]).abs().max()
    assert 0 < near < 0.01  # one step away from it


@pytest.fixture
def plain(imported) -> ModuleType:
    return imported("isegm.methods.plain", examples("docs/add_a_method.md")["isegm/methods/plain.py"], "plain.py")


def contract() -> ModuleType:
    described = importlib.util.spec_from_file_location("contract", REPOSITORY / "tests/methods/test_contract.py")
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


CONTRACT = contract()


@pytest.mark.parametrize("name", [name for name in vars(CONTRACT) if name.startswith("test_")])
def test_the_example_method_keeps_the_contract(plain: ModuleType, name: str) -> None:
    torch.manual_seed(0)
    getattr(CONTRACT, name)(CONTRACT.settled(plain.tiny()))


def test_the_example_method_trains(plain: ModuleType, imported, tmp_path: Path) -> None:
    file = "models/plain/tiny_synthetic.py"
    experiment = imported("plain_synthetic", examples("docs/add_a_method.md")[file], file)
    spec: Spec = experiment.MODEL
    made = one_step(experiment, tmp_path, {}, {"crop": [32, 32], "epoch_len": 2})
    assert load_model(made).spec == spec


def test_files_of_the_example_code_base_are_found_read_and_written(
    plain: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "originals"
    folder.mkdir()
    source = examples("docs/add_a_method.md")["isegm/originals/plain.py"]
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
    files = examples("docs/add_a_dataset.md")
    module = imported("isegm.data.datasets.cells", files["isegm/data/datasets/cells.py"], "cells.py")
    assert "Cells" not in evaluation_sets()  # the example must not shadow a real set
    cfg = load_config()
    cfg.CELLS_PATH = str(cells(tmp_path / "cells"))
    dataset = module.EVALUATION["Cells"](cfg)
    assert len(dataset) == len(dataset.ids()) == 4
    assert set(np.unique(dataset[0].gt)) == {0, 1}
    recipe = imported("cells_recipe", files["models/ritm/cells.py"], "recipe.py")
    item = recipe.cells_data(cfg).train[0, 0]
    assert item["image"].shape == (3, 256, 256)
    assert (item["target"] == 1).any()


def test_the_example_protocol(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(name: .*?)```", (REPOSITORY / "docs/protocols.md").read_text(), re.DOTALL)
    (tmp_path / "example.yml").write_text(text)
    protocol = load_protocol(str(tmp_path / "example.yml"))
    assert protocol.for_dataset("DAVIS").view["size"] == [672, 672]
    view = {"rule": "zoom_in", "size": [448, 448], "skip_clicks": -1}
    assert protocol.for_dataset("GrabCut").view == view
