"""The baseline of ClickAttention with SegFormer-B0: no affinity at all, on smaller crops.

Paper:  arXiv 2408.06021, ablation, row B0-S2 baseline (DAVIS NoC@90 10.2); its script is not published, these are B3's settings
Run:    python train.py models/click_attention/b0_cocolvis_baseline.py --gpus 0,1
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

MODEL = click_attention("b0", stages=())


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(
        cfg, **(recipes.CLICK_ATTENTION | {"crop": (256, 256)}), augmentation="aligned_colour", stuff_prob=0.20
    )
    train = TrainConfig(epochs=230, batch_size=28, lr=1e-3, milestones=(160, 210), weight_decay=0.01, pretrained="SEGFORMER_B0")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3, extra_round=True, restart=0.02), train, cfg).fit()
