"""A small ClickAttention on synthetic scenes, in minutes on a CPU: the affinity is a training signal only.

Paper:  arXiv 2408.06021 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/click_attention/tiny_synthetic_none.py --cpu --ngpus 2
Cost:   800 steps, 8 minutes on one thread of a busy CPU
Result: click_attention v1 (zoom.size=[128, 128]), the first 30 objects of synthetic: NoC@85 3.13 (untrained 20.00), NoC@90 6.47

The same as tiny_synthetic_paper.py but for ``affinity_use``, to see what that does to NoC. Evaluate at the size of training:
python scripts/evaluate_model.py NoBRS --checkpoint RUN_FOLDER/model.safetensors --datasets synthetic --infer-size 128 --cpu
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.click_attention import click_attention
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = click_attention("tiny", "none", width=64, click_radius=8, backbone_lr=1.0)


def main(cfg: EasyDict) -> None:
    # Few sampled clicks, the first in the middle of the object: the rollout adds the corrections, as at test time.
    data = recipes.synthetic(
        cfg, crop=(128, 128), max_clicks=6, gamma=0.7, first_click_center=True, epoch_len=1600, val_epoch_len=64
    )
    train = TrainConfig(epochs=8, batch_size=16, lr=1e-3, milestones=(7,), weight_decay=0.01, ema=0.99, amp="auto")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3, extra_round=True, restart=0.02), train, cfg).fit()
