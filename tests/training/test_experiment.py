"""An experiment is a value: JSON and back, every leaf counts on resume, own parts are found,
nothing else is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isegm.core.errors import IsegmError
from isegm.core.registry import build, spec
from isegm.training.checkpoint import check_same, describe
from isegm.training.experiment import MAY_CHANGE, Experiment, from_json
from isegm.training.experiment_file import Loaded, load_experiment, to_text
from isegm.training.optimisation import SGD
from isegm.utils.config import REPOSITORY
from isegm.utils.overrides import paths

RITM = REPOSITORY / "models/ritm/hrnet18_sbd.py"
COMB = REPOSITORY / "models/focalclick/hrnet18s_s2_comb.py"


def changed_leaf(value: Any, path: str) -> Any:
    """A copy of a JSON value with one leaf changed; a spec's own path stands for its target."""
    name, _, rest = path.partition(".")
    if not path:
        return (
            {**value, "target": value["target"] + "X"}
            if isinstance(value, dict)
            else [value, "other"]
        )
    if isinstance(value, list):
        return [
            changed_leaf(item, rest) if index == int(name) else item
            for index, item in enumerate(value)
        ]
    if set(value) == {"target", "args"}:
        return {**value, "args": changed_leaf(value["args"], path)}
    return {**value, name: changed_leaf(value[name], rest)}


@pytest.mark.parametrize("path", [RITM, COMB], ids=lambda p: p.stem)
def test_every_leaf_counts_on_resume(path: Path) -> None:
    saved = describe(load_experiment(path).experiment, 100)
    leaves = [leaf for leaf, _ in paths(saved["experiment"])]
    assert len(leaves) > 60
    for leaf in leaves:
        now = {**saved, "experiment": changed_leaf(saved["experiment"], leaf)}
        if leaf in MAY_CHANGE:
            check_same(saved, now, Path("last.pth"))
        else:
            with pytest.raises(IsegmError, match=rf"{leaf.replace('.', '[.]')} \("):
                check_same(saved, now, Path("last.pth"))
    with pytest.raises(IsegmError, match="samples per epoch"):
        check_same(saved, {**saved, "epoch_length": 99}, Path("last.pth"))


def test_every_difference_is_named() -> None:
    experiment = load_experiment(RITM).experiment
    other = experiment.changed(
        {
            "train.seed": 4,
            "data.augment.crop": [64, 64],
            "user.max_rounds": 1,
            "model.head.width": 8,
        }
    )
    with pytest.raises(IsegmError) as error:
        check_same(describe(experiment, 9), describe(other, 9), Path("last.pth"))
    for leaf in ("train.seed", "data.augment.crop", "user.max_rounds", "model.head.width"):
        assert f"{leaf} (" in str(error.value)


def test_what_may_change_is_a_setting_of_the_training() -> None:
    values = dict(paths(load_experiment(RITM).experiment.to_json()))
    assert set(values) >= MAY_CHANGE


@pytest.mark.parametrize("path", [RITM, COMB], ids=lambda p: p.stem)
def test_json_and_back(path: Path, tmp_path: Path) -> None:
    loaded = load_experiment(path)
    (tmp_path / "experiment.json").write_text(to_text(loaded))
    again = load_experiment(tmp_path / "experiment.json")
    assert again.experiment == loaded.experiment
    assert again.name == loaded.name == f"{path.parent.name}/{path.stem}"


OWN = """
from dataclasses import dataclass

from neighbour import LENGTH

from isegm.core.registry import spec
from isegm.data.dataset import ClickDataset
from isegm.data.sources.synthetic import SyntheticSource
from isegm.data.sampling.multi_point import MultiPoint
from isegm.methods.ritm import ritm_hrnet
from isegm.training.experiment import Experiment, Training
from isegm.training.users.iterative import Iterative


class Squares(SyntheticSource):
    def __init__(self, length: int, side: int = 24) -> None:
        super().__init__((side, side), length)


EXPERIMENT = Experiment(
    model=ritm_hrnet(width=8, depth="tiny", ocr_width=16),
    data=spec(ClickDataset, source=spec(Squares, length=LENGTH), sampler=spec(MultiPoint)),
    user=spec(Iterative),
    train=Training(),
)
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/neighbour.py").write_text("LENGTH = 5\n")
    path = tmp_path / "mine/squares.py"
    path.write_text(OWN)
    return path


def test_parts_of_its_own(own: Path, tmp_path: Path) -> None:
    loaded = load_experiment(own)
    experiment = loaded.experiment
    assert len(experiment.build(experiment.data)) == 5
    assert set(experiment.file.hashes) == {"squares.py", "neighbour.py"}
    assert [path.name for path in loaded.files] == ["squares.py", "neighbour.py"]
    assert experiment.changed({"data.source.side": 16}).build(experiment.data)[0, 0][
        "image"
    ].shape == (3, 24, 24)
    with pytest.raises(
        IsegmError, match=r"unknown setting of data.source \(experiment:Squares\) 'sied'"
    ):
        experiment.changed({"data.source.sied": 16})
    (own.parent / "experiment.json").write_text(to_text(loaded))
    assert load_experiment(own.parent / "experiment.json").experiment == experiment
    (own.parent / "neighbour.py").write_text("LENGTH = 6\n")
    with pytest.raises(IsegmError, match=r"neighbour.py was changed since"):
        load_experiment(own.parent / "experiment.json")
    assert load_experiment(own).experiment.file != experiment.file


def test_a_stranger_cannot_name_the_experiment_file() -> None:
    for target in ("experiment:Squares", "os:system", "isegm.core.registry:os"):
        with pytest.raises(IsegmError):
            build({"target": target, "args": {}})


def test_only_isegm_and_the_file_itself_can_be_named(own: Path) -> None:
    own.write_text(
        OWN.replace("spec(Squares, length=LENGTH)", "spec(Path)").replace(
            "\nfrom dataclasses", "\nfrom pathlib import Path\nfrom dataclasses"
        )
    )
    with pytest.raises(IsegmError, match="is refused"):
        load_experiment(own)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.pop("user"), "lacks user"),
        (
            lambda e: e.update(users=e.pop("user")),
            "unknown key of an experiment 'users'; did you mean user",
        ),
        (lambda e: e["train"].update(bach_size=3), "batch_size"),
        (
            lambda e: e["data"]["args"].update(crop=[1, 2]),
            "unknown argument of isegm.data.dataset:ClickDataset 'crop'",
        ),
        (lambda e: e.update(model=3), "model=3: expected a part"),
        (lambda e: e["data"].update(target="os:system"), "is refused"),
    ],
)
def test_a_json_that_is_no_experiment(tmp_path: Path, change: Any, message: str) -> None:
    content = json.loads(to_text(load_experiment(RITM)))
    change(content["experiment"])
    path = tmp_path / "experiment.json"
    path.write_text(json.dumps(content))
    with pytest.raises(IsegmError, match=message):
        load_experiment(path)
    path.write_text("{}")
    with pytest.raises(IsegmError, match="holds no experiment"):
        load_experiment(path)


def test_a_script_of_earlier_versions_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "old.py"
    path.write_text("def main(cfg):\n    pass\n")
    with pytest.raises(IsegmError, match=r"defines no EXPERIMENT .* docs/how-to/train.md"):
        load_experiment(path)


def test_parts_are_swapped_whole() -> None:
    experiment = load_experiment(RITM).experiment
    swapped = experiment.changed(
        {"train.optimizer": spec(SGD, lr=0.1), "data.scores": None, "val": None}
    )
    assert swapped.completed().train.optimizer["args"] == {
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0,
    }
    assert swapped.data["args"]["scores"] is None
    assert swapped.val is None
    without = load_experiment(COMB).experiment.changed({"data.source.parts.1": None})
    assert without.data["args"]["source"]["args"]["parts"][1] is None
    for path, value in (
        ("data.source", None),
        ("train.optimizer", 3),
        ("data.source.parts.9", None),
    ):
        with pytest.raises(IsegmError, match=path.replace(".", "[.]")):
            load_experiment(COMB).experiment.changed({path: value})


def test_an_experiment_is_made_of_parts() -> None:
    values = load_experiment(RITM).experiment.to_json()
    assert isinstance(from_json(values), Experiment)
    assert Loaded(from_json(values), "a/b").files == ()
