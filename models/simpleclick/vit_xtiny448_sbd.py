"""SimpleClick with an extra tiny ViT on SBD, crops of 448 x 448, three simulated corrections.

Paper:  arXiv 2210.11006; published as sbd_vitxt
Needs:  sbd_samples_weights.pkl in SBD_PATH, or --set data.sample_scores=null
Run:    python train.py models/simpleclick/vit_xtiny448_sbd.py --gpus 0
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.simpleclick import simpleclick
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = simpleclick("xtiny", 448)


def main(cfg: EasyDict) -> None:
    data = recipes.sbd(cfg, crop=(448, 448), **recipes.ITERATIVE_SBD)
    train = TrainConfig(epochs=1001, batch_size=32, lr=1e-5, milestones=(800, 900))
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
