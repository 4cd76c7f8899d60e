"""The baseline of ClickAttention with SegFormer-B3: no affinity at all, on smaller crops.

Paper:  arXiv 2408.06021, script segformerB3_S2_cclvs_baseline; no weights published
Run:    python train.py models/click_attention/b3_cocolvis_baseline.py --gpus 0,1
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

MODEL = click_attention("b3", stages=())


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(
        cfg, **(recipes.CLICK_ATTENTION | {"crop": (256, 256)}), augmentation="aligned_colour", stuff_prob=0.20
    )
    train = TrainConfig(epochs=230, batch_size=28, lr=1e-3, milestones=(160, 210), weight_decay=0.01, pretrained="SEGFORMER_B3")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3, extra_round=True, restart=0.02), train, cfg).fit()
