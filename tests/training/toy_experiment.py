"""An experiment script on toy discs, for the tests of train.py. TOY_KILL=N sends SIGTERM to this process after item N."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

described = importlib.util.spec_from_file_location("isegm.methods.toy", Path(__file__).with_name("toy.py"))
toy = sys.modules.setdefault("isegm.methods.toy", importlib.util.module_from_spec(described))
described.loader.exec_module(toy)

from isegm.core.registry import spec  # noqa: E402
from isegm.data.dataset import TrainingData  # noqa: E402
from isegm.training.config import TrainConfig  # noqa: E402
from isegm.training.rollout import ClickPolicy  # noqa: E402
from isegm.training.trainer import Trainer  # noqa: E402

MODEL = spec(toy.Toy, dropout=0.2)


def main(cfg):
    cfg.EXPS_PATH = os.environ["TOY_EXPERIMENTS"]
    data = TrainingData(toy.Discs(int(os.environ.get("TOY_LENGTH", "16"))), toy.Discs(6, seed=1))
    train = TrainConfig(epochs=2, batch_size=4, lr=1e-2, workers=0, log_every=2)
    Trainer(MODEL, data, ClickPolicy(), train, cfg, validate=lambda model, epoch: {"NoC": 20.0}).fit()
