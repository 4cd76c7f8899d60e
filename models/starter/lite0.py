"""The starter: EfficientNet-Lite0 with a light pyramid, at a constant rate on crops of 256.

Paper:  none; see docs/starter.md
Run:    python train.py models/starter/lite0.py --cpu --ngpus 2 --exp-name night --resume auto
Cost:   see docs/starter.md
Result: see docs/starter.md

The rate stays constant and the averaged weights are what is used, so the training can be stopped at
any time.
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.click_pyramid import click_pyramid
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = click_pyramid()


def main(cfg: EasyDict) -> None:
    # Mostly one or two clicks to begin with, as at test time; the rollout adds corrections.
    clicks = {"max_clicks": 8, "gamma": 0.5, "first_click_center": True, "merge_objects": 0.1}
    views = {"crop": (256, 256)}
    views |= {"augmentation": "around_object", "val_augmentation": "around_object"}
    sizes = {"min_object_area": 300, "epoch_len": 8000, "val_epoch_len": 80}
    data = recipes.starter(cfg, **views, **clicks, **sizes)
    train = TrainConfig(
        epochs=40,
        batch_size=8,
        lr=1e-3,
        clip=5.0,
        ema=0.999,
        channels_last=True,
        workers=1,
        pretrained="EFFICIENTNET_LITE0",
        checkpoint_interval=1,
        checkpoint_minutes=3,
    )
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
