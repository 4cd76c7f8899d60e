"""The toy method under a name inside isegm, and trainers of it that write to a temporary folder."""

import importlib.util
import sys
from pathlib import Path

import pytest
from easydict import EasyDict

from isegm.core.registry import spec
from isegm.data.dataset import TrainingData
from isegm.training.config import RunOptions, TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

described = importlib.util.spec_from_file_location("isegm.methods.toy", Path(__file__).with_name("toy.py"))
TOY = importlib.util.module_from_spec(described)
sys.modules["isegm.methods.toy"] = TOY
described.loader.exec_module(TOY)


@pytest.fixture
def toy():
    return TOY


@pytest.fixture
def config_of(tmp_path):
    """A configuration that writes below ``tmp_path``."""

    def made(overrides=None, **run):
        cfg = EasyDict(EXPS_PATH=str(tmp_path / "exps"), WEIGHTS_PATH=str(tmp_path), config_path=str(tmp_path / "config.yml"))
        cfg.overrides, cfg.run = overrides or {}, RunOptions(cpu=True, **run)
        return cfg

    return made


@pytest.fixture
def trainer_of(config_of):
    """``trainer_of(lr=..., run={...}, model={...}, policy=...)``: a trainer of the toy, 4 batches of 4 discs per epoch."""

    def made(run=None, model=None, policy=None, overrides=None, val=False, validate=None, length=16, **train):
        settings = {"epochs": 2, "batch_size": 4, "lr": 1e-2, "workers": 0, "log_every": 2, **train}
        data = TrainingData(TOY.Discs(length), TOY.Discs(6, seed=1) if val else None)
        return Trainer(
            spec(TOY.Toy, **(model or {"dropout": 0.2})),
            data,
            policy or ClickPolicy(),
            TrainConfig(**settings),
            config_of(overrides, **(run or {})),
            validate,
        )

    return made
