"""The starter on slices of MRI volumes of the hippocampus: fine-tuned, or from scratch for as long.

Paper:  none; see docs/finetune.md
Run:    python train.py models/starter/finetune_hippocampus.py --cpu --ngpus 2 --weights starter
Cost:   see docs/finetune.md
Result: see docs/finetune.md

Without --weights the same network begins with random weights.
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.originals.loading import spec_of
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = spec_of("starter")


def main(cfg: EasyDict) -> None:
    data = recipes.folder(
        cfg,
        image_dir="slices/hippocampus_train/images",
        mask_dir="slices/hippocampus_train/masks",
        crop=(256, 256),
        augmentation="around_object",
        max_clicks=8,
        gamma=0.5,
        first_click_center=True,
        epoch_len=2400,
    )
    train = TrainConfig(epochs=1, batch_size=8, lr=5e-4, clip=5.0, ema=0.98, channels_last=True, workers=1, image_every=100)
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
