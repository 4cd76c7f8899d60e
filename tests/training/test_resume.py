"""A resumed training is the training that was never interrupted, to the last bit."""

import dataclasses

import pytest
import torch

from isegm.core.errors import IsegmError
from isegm.core.registry import spec
from isegm.training import checkpoint, run_folder
from isegm.training.checkpoint import read_checkpoint, write_checkpoint
from isegm.training.options import RunOptions
from isegm.training.users.iterative import Iterative


def last(folder):
    return folder / "checkpoints" / "last_checkpoint.pth"


def differences(a, b, path=""):
    """Where two nested checkpoints differ."""
    if isinstance(a, torch.Tensor):
        return [] if torch.equal(a, b) else [path]
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        return [d for key in a for d in differences(a[key], b[key], f"{path}.{key}")]
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        return [
            d
            for i, (x, y) in enumerate(zip(a, b, strict=True))
            for d in differences(x, y, f"{path}[{i}]")
        ]
    return [] if a == b else [path]


@pytest.mark.parametrize("steps", [4, 6], ids=["after an epoch", "inside an epoch"])
@pytest.mark.parametrize(
    "switches", [{}, {"amp": "bf16", "ema": 0.9, "clip": 1.0}, {"workers": 2}], ids=str
)
def test_resume_equals_uninterrupted(trainer_of, steps, switches):
    settings = {
        "epochs": 3,
        "milestones": (1, 2),
        "model": {"dropout": 0.3, "norm": True},
        **switches,
    }
    whole = trainer_of(run={"exp_name": "whole"}, **settings).fit()
    trainer_of(run={"exp_name": "parts"}, **settings, max_steps=steps).fit()
    parts = trainer_of(run={"exp_name": "parts", "resume": "001_parts"}, **settings).fit()
    expected, found = read_checkpoint(last(whole)), read_checkpoint(last(parts))
    assert found["progress"] == {"epoch": 3, "batch": 0, "step": 12}
    assert not [d for d in differences(expected, found) if d != ".experiment.train.max_steps"]


def test_checkpoints_inside_an_epoch_come_by_the_clock(trainer_of, monkeypatch):
    written = []
    monkeypatch.setattr(
        checkpoint,
        "write_checkpoint",
        lambda path, contents: written.append(contents["progress"]["step"]),
    )
    trainer_of(epochs=1, checkpoint_minutes=0.0, checkpoint_interval=None).fit()
    assert written == [1, 2, 3, 4, 4]


def test_auto_resumes_the_newest_run_and_starts_where_there_is_none(trainer_of):
    first = trainer_of(epochs=1, run={"resume": "auto"}).fit()
    second = trainer_of(epochs=2, run={"resume": "auto"}).fit()
    assert first == second
    assert read_checkpoint(last(first))["progress"]["epoch"] == 2
    assert trainer_of(epochs=1).fit().name == "001"
    assert trainer_of(epochs=2, run={"resume": "auto"}).fit().name == "001"


def test_a_kept_checkpoint_can_be_resumed(trainer_of):
    whole = trainer_of(epochs=3, checkpoint_interval=1).fit()
    expected = read_checkpoint(last(whole))
    again = trainer_of(
        epochs=3, checkpoint_interval=1, run={"resume": str(whole), "resume_prefix": "001"}
    ).fit()
    assert again == whole
    assert not differences(expected["model"], read_checkpoint(last(whole))["model"])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"lr": 3e-2}, r"train\.optimizer\.lr \(0\.01 there, 0\.03 now\)"),
        ({"batch_size": 8}, r"train\.batch_size"),
        ({"seed": 4}, r"train\.seed"),
        ({"user": spec(Iterative, max_rounds=1)}, r"user\.max_rounds"),
        ({"model": {"dropout": 0.4}}, r"model\.dropout"),
        ({"length": 20}, r"data\.length .*samples per epoch"),
    ],
)
def test_another_experiment_is_not_continued(trainer_of, changed, named):
    folder = trainer_of(epochs=1).fit()
    with pytest.raises(IsegmError, match=named):
        trainer_of(run={"resume": str(folder)}, **changed).fit()


def test_more_epochs_and_other_workers_are_welcome(trainer_of):
    folder = trainer_of(epochs=1).fit()
    trainer_of(epochs=2, log_every=1, checkpoint_interval=1, run={"resume": str(folder)}).fit()
    assert read_checkpoint(last(folder))["progress"]["epoch"] == 2


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "last_checkpoint.pth"
    write_checkpoint(
        path, {"isegm": {"kind": "training", "schema": 1}, "experiment": {}, "step": 1}
    )
    with pytest.raises(Exception, match="pickle"):
        write_checkpoint(
            path,
            {
                "isegm": {"kind": "training", "schema": 1},
                "experiment": {},
                "step": 2,
                "bad": lambda: None,
            },
        )
    assert read_checkpoint(path)["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_is_no_checkpoint_is_named(tmp_path):
    broken, foreign = tmp_path / "broken.pth", tmp_path / "foreign.pth"
    broken.write_bytes(b"PK\x03\x04 not a zip")
    torch.save({"state_dict": {}}, foreign)
    with pytest.raises(IsegmError, match="there is no checkpoint"):
        read_checkpoint(tmp_path / "absent.pth")
    with pytest.raises(IsegmError, match=r"broken\.pth cannot be read"):
        read_checkpoint(broken)
    with pytest.raises(IsegmError, match="holds no training to resume"):
        read_checkpoint(foreign)


@pytest.fixture
def experiment(tmp_path):
    for name in ("000_a", "001_b", "002_b", "notes"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
    for name in (
        "000_a/checkpoints/last_checkpoint.pth",
        "000_a/checkpoints/010.pth",
        "001_b/checkpoints/last_checkpoint.pth",
    ):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"resume": "auto"}, "001_b/checkpoints/last_checkpoint.pth"),
        ({"resume": "000"}, "000_a/checkpoints/last_checkpoint.pth"),
        ({"resume": "000", "resume_prefix": "010"}, "000_a/checkpoints/010.pth"),
    ],
)
def test_finding_what_to_resume(experiment, options, expected):
    found = run_folder.find_checkpoint(experiment, RunOptions(**options))
    assert found == (expected and experiment / expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resume": "003"}, "unknown run"),
        ({"resume": "00"}, "could be any of 000_a, 001_b, 002_b"),
        ({"resume": "002"}, "has 0 checkpoints"),
        ({"resume": "000", "resume_prefix": "020"}, "it has 010.pth, last_checkpoint.pth"),
    ],
)
def test_what_cannot_be_resumed_is_explained(experiment, options, message):
    with pytest.raises(IsegmError, match=message):
        run_folder.find_checkpoint(experiment, dataclasses.replace(RunOptions(), **options))
