"""A small FCA-Net on synthetic scenes, in minutes on a CPU core: the baseline, all clicks alike.

Paper:  Lin et al., CVPR 2020 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/fcanet/tiny_synthetic_bs.py --cpu
Cost:   800 steps, 4 to 9 minutes on one core of a busy machine
Result: fcanet v1, 50 objects of synthetic, mean of --seed 0, 1 and 2: NoC@85 6.67, NoC@90 11.37. See docs/methods/fcanet.md.

One of four: tiny_synthetic_bs, _fca, _cl and _iter each switch on one thing more. All take equally many steps on the same
640 scenes.
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.fcanet import fcanet
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

# Wide Gaussians: without pretrained weights these are found useful sooner.
SMALL = {"depths": (2, 2, 2, 3), "width": 16, "head_width": 32, "click_width": 30, "first_click_width": 80, "head_lr": 1.0}
MODEL = fcanet("resnet", first_click=False, click_loss=False, **SMALL)


def main(cfg: EasyDict) -> None:
    data = recipes.synthetic(cfg, crop=(160, 160), max_clicks=11, spaced=True, scenes=640, epoch_len=0, val_epoch_len=64)
    train = TrainConfig(epochs=10, batch_size=8, lr=2e-3, milestones=(8, 9), ema=0.99, amp="auto", channels_last=True)
    Trainer(MODEL, data, ClickPolicy(max_rounds=0), train, cfg).fit()
