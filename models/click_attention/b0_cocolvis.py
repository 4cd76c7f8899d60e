"""ClickAttention with SegFormer-B0 on COCO+LVIS; the affinity as a training signal only (published code).

Paper:  arXiv 2408.06021; published; its script is not, these are the settings of B3
Run:    python train.py models/click_attention/b0_cocolvis.py --gpus 0,1,2,3
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.click_attention import click_attention
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = click_attention("b0", "none")


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(cfg, **recipes.CLICK_ATTENTION, augmentation="aligned_colour", stuff_prob=0.20)
    train = TrainConfig(
        epochs=500, batch_size=64, lr=5e-4, milestones=(160, 210), weight_decay=0.01, sync_bn=True, pretrained="SEGFORMER_B0"
    )
    Trainer(MODEL, data, ClickPolicy(max_rounds=3, extra_round=True, restart=0.02), train, cfg).fit()
