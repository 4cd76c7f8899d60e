"""The non-iterative baseline of RITM on ADE20K with its other network: ResNet-34 + DeepLabV3+.

Paper:  arXiv 2102.06583; script r34_dh128_ade20k, no weights published
        # differs from the original: stuff is what its list of names says; there, an index is compared with numbers.
Run:    python train.py models/ritm/r34_dh128_ade20k_baseline.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.ritm import ritm_deeplab
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = ritm_deeplab(layers=34, width=128, prev_mask=False)


def main(cfg: EasyDict) -> None:
    data = recipes.ade20k(cfg, crop=(320, 480), max_clicks=24, merge_objects=0.15, stuff_prob=0.30)
    train = TrainConfig(epochs=120, batch_size=28, lr=5e-4, milestones=(100, 115), pretrained="RESNET34_V1B")
    Trainer(MODEL, data, ClickPolicy(max_rounds=0), train, cfg).fit()
