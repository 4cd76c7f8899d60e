"""ClickSEG's light baseline with PP-LCNet on COCO+LVIS, three simulated corrections.

Paper:  the code of arXiv 2204.02574, which says NoC@90 1.92 (GrabCut), 2.66 (Berkeley), 6.66 (SBD), 5.78 (DAVIS)
Run:    python train.py models/clickseg_baseline/pplcnet_cocolvis.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.clickseg_baseline import clickseg_baseline
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = clickseg_baseline("pplcnet")


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(cfg, **recipes.CLICKSEG_BASELINE, augmentation="aligned", stuff_prob=0.20)
    train = TrainConfig(epochs=230, batch_size=32, lr=5e-3, milestones=(190, 210), pretrained="PPLCNET_X1")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
