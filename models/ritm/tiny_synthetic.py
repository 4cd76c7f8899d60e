"""The quick start: a small RITM on synthetic scenes, in a few minutes on two CPU cores and without any file.

Paper:  arXiv 2102.06583 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/ritm/tiny_synthetic.py --cpu --ngpus 2
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.ritm import ritm_hrnet
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = ritm_hrnet(width=12, depth="tiny", ocr_width=24, click_radius=3, backbone_lr=1.0)


def main(cfg: EasyDict) -> None:
    data = recipes.synthetic(cfg, crop=(128, 128), max_clicks=12, epoch_len=1600, val_epoch_len=64)
    train = TrainConfig(epochs=6, batch_size=16, lr=3e-3, milestones=(4, 5), ema=0.99, amp="auto", channels_last=True)
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
