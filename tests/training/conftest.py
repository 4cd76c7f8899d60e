"""The toy method under a name inside isegm, and trainers of it that write to a temporary folder."""

import importlib.util
import sys
from pathlib import Path

import pytest
from easydict import EasyDict

from isegm.core.registry import spec
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.options import RunOptions
from isegm.training.trainer import Trainer
from isegm.training.users.iterative import Iterative

described = importlib.util.spec_from_file_location(
    "isegm.methods.toy", Path(__file__).with_name("toy.py")
)
TOY = importlib.util.module_from_spec(described)
sys.modules["isegm.methods.toy"] = TOY
described.loader.exec_module(TOY)


@pytest.fixture
def toy():
    return TOY


@pytest.fixture
def cfg(tmp_path):
    """A configuration that writes below ``tmp_path``."""
    return EasyDict(
        EXPS_PATH=str(tmp_path / "exps"),
        WEIGHTS_PATH=str(tmp_path),
        config_path=str(tmp_path / "config.yml"),
    )


def toy_experiment(model=None, user=None, val=False, length=16, lr=1e-2, milestones=(), **train):
    """The toy on 4 batches of 4 discs per epoch."""
    parts = {"optimizer": spec(Adam, lr=lr), "schedule": spec(MultiStep, at=milestones)}
    settings = {"epochs": 2, "batch_size": 4, "workers": 0, "log_every": 2, **parts, **train}
    return Experiment(
        model=spec(TOY.Toy, **(model or {"dropout": 0.2})),
        data=spec(TOY.Discs, length=length),
        val=spec(TOY.Discs, length=6, seed=1) if val else None,
        user=user or spec(Iterative),
        train=Training(**settings),
    )


@pytest.fixture
def experiment_of():
    return toy_experiment


@pytest.fixture
def trainer_of(cfg):
    """``trainer_of(lr=..., run={...}, model={...}, user=...)``: a trainer of the toy, see
    ``toy_experiment``.
    """

    def made(run=None, validate=None, overrides=None, **settings):
        experiment = toy_experiment(**settings).changed(overrides or {})
        return Trainer(experiment, cfg, RunOptions(cpu=True, **(run or {})), validate)

    return made
