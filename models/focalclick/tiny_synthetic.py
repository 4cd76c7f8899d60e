"""A small FocalClick on synthetic scenes, in minutes on two CPU cores and without any file.

Paper:  arXiv 2204.02574 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/focalclick/tiny_synthetic.py --cpu --ngpus 2
Check:  python scripts/evaluate_model.py NoBRS --checkpoint <run folder>/model.safetensors --datasets synthetic --infer-size 128
Cost:   800 steps, 14 minutes on one thread of a busy CPU
Result: focalclick v1 (zoom.size=[128, 128]), the first 30 objects of synthetic: NoC@85 4.60 (untrained 20.00), NoC@90 5.97

It is trained on crops of 128 x 128, a quarter of the published cost, and must be evaluated on views of that size.
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.focalclick import focalclick_segformer
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = focalclick_segformer("tiny", pipeline="s2", width=64, lr={})


def main(cfg: EasyDict) -> None:
    # Few sampled clicks, the first in the middle of the object: the rollout adds the corrections, as at test time.
    data = recipes.synthetic(
        cfg,
        **(recipes.FOCALCLICK | {"crop": (128, 128), "max_clicks": 4, "min_region": 200}),
        augmentation="aligned",
        val_augmentation="aligned",
        gamma=0.5,
        min_object_area=200,
        epoch_len=1600,
        val_epoch_len=64,
    )
    train = TrainConfig(epochs=8, batch_size=16, lr=1e-3, milestones=(6, 7), ema=0.99, amp="auto")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
