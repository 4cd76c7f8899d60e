"""``--check``: everything is tried out, nothing is trained, and what would fail says what to
change.
"""

import logging
import math
from types import SimpleNamespace

import cv2
import pytest
import torch
from torch import nn

from isegm.core.errors import IsegmError
from isegm.core.registry import spec
from isegm.training import preflight
from isegm.training.users.iterative import Iterative
from isegm.utils.processes import Process


def said(caplog):
    return {record.getMessage().split()[0]: record.getMessage() for record in caplog.records}


@pytest.mark.parametrize("settings", [{}, {"micro_batch": 2, "workers": 1, "ema": 0.9}], ids=str)
def test_it_tells_what_the_training_will_take(trainer_of, caplog, settings):
    with caplog.at_level(logging.INFO, "isegm"):
        picture = trainer_of(epochs=5, val=True, run={"check": True}, **settings).fit()
    told = said(caplog)
    assert "16 samples per epoch, 4 batches of 4" in told["data"]
    assert ("micro-batches of 2" in told["processes"]) == bool(settings)
    assert "5 epochs, 20 steps: about" in told["whole"]
    assert told["memory"].endswith("per process")
    assert "samples/s per worker" in told["loading"]
    assert str(picture) in told["picture"]
    assert cv2.imread(str(picture)).shape == (4 * 32, 4 * 32, 3)
    assert [path.name for path in picture.parent.iterdir()] == ["check.jpg"]  # no run folder


@pytest.mark.parametrize("max_rounds", [0, 2])
def test_validation_takes_time_without_corrections_too(trainer_of, monkeypatch, max_rounds):
    checks = []
    tell = preflight.Preflight._tell_speed
    monkeypatch.setattr(
        preflight.Preflight,
        "_tell_speed",
        lambda self, speed: (checks.append(speed), tell(self, speed)),
    )
    for val in (True, False):
        trainer_of(
            user=spec(Iterative, max_rounds=max_rounds), epochs=5, val=val, run={"check": True}
        ).fit()
    validated, plain = checks
    assert validated.answer > 0
    assert plain.answer == 0, "without held-out data there is nothing to answer"


@pytest.mark.parametrize(
    ("settings", "steps", "validations"),
    [
        ({}, 20, 5),
        ({"validate_every": 2}, 20, 3),
        ({"max_steps": 9}, 9, 2),
        ({"max_steps": 3}, 3, 0),
        ({"validate_every": None}, 20, 0),
    ],
    ids=str,
)
def test_as_many_steps_and_validations_as_the_training_will_have(
    trainer_of, settings, steps, validations
):
    """There are 4 batches of training data, and held-out data for 2."""
    trainer = trainer_of(epochs=5, val=True, **settings)
    check = preflight.Preflight(trainer, Process())
    assert check._steps() == steps
    assert check._validations() == validations * math.ceil(len(trainer.data.val) / 4)
    path = trainer.fit()
    lines = (path / "logs" / "metrics.jsonl").read_text().splitlines() if validations else []
    assert len(lines) == validations


def test_a_batch_that_will_not_fit_into_memory(trainer_of, monkeypatch):
    monkeypatch.setattr(preflight.memory, "available", lambda: -1)
    with pytest.raises(IsegmError, match=r"8 samples at once .*--micro-batch 4"):
        trainer_of(batch_size=8, run={"check": True}).fit()


def test_a_gpu_that_is_too_small(trainer_of, toy, monkeypatch):
    def forward(model, round_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(toy.Toy, "forward", forward)
    with pytest.raises(IsegmError, match=r"too small for 4 samples at once; use --micro-batch 2"):
        trainer_of(run={"check": True}).fit()


def test_shared_memory_that_is_too_small(trainer_of, monkeypatch):
    free = {preflight.SHARED_MEMORY: 10_000}
    monkeypatch.setattr(
        preflight.shutil, "disk_usage", lambda path: SimpleNamespace(free=free.get(path, 1e12))
    )
    with pytest.raises(IsegmError, match=r"--shm-size=2g\), or use --workers 0"):
        trainer_of(workers=2, run={"check": True}).fit()


def test_a_disk_that_is_too_small(trainer_of, monkeypatch):
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000))
    with pytest.raises(IsegmError, match=r"51 checkpoints .*train\.checkpoint_interval=null"):
        trainer_of(epochs=50, checkpoint_interval=1, run={"check": True}).fit()


def test_a_loss_that_is_not_a_number(trainer_of):
    with pytest.raises(IsegmError, match=r"loss = nan"):
        trainer_of(model={"break_at": 2}, run={"check": True}).fit()


def test_too_few_samples_for_batch_norm(trainer_of, toy, monkeypatch):
    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm2d(8)

        def forward(self, features):
            return features + self.norm(features.mean((2, 3), keepdim=True))

    build = toy.Toy.__init__

    def pooled(model, **settings):
        build(model, **settings)
        model.body.append(Pooled())

    monkeypatch.setattr(toy.Toy, "__init__", pooled)
    with pytest.raises(IsegmError, match="too few for the batch norm"):
        trainer_of(micro_batch=1, run={"check": True}).fit()


def test_missing_weights_are_noticed(trainer_of):
    with pytest.raises(IsegmError, match=r"nowhere\.pth"):
        trainer_of(weights="nowhere.pth", run={"check": True}).fit()
