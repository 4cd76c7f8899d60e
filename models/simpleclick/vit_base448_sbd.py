"""SimpleClick with ViT-B on SBD, crops of 448 x 448, three simulated corrections.

Paper:  arXiv 2210.11006; published as sbd_vit_base
Needs:  MAE's weights, see PRETRAINED in config.yml; sbd_samples_weights.pkl in SBD_PATH, or data.sample_scores=null
Run:    python train.py models/simpleclick/vit_base448_sbd.py --gpus 0,1
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

MODEL = simpleclick("base", 448)


def main(cfg: EasyDict) -> None:
    data = recipes.sbd(cfg, crop=(448, 448), **recipes.ITERATIVE_SBD)
    train = TrainConfig(epochs=55, batch_size=32, lr=5e-5, milestones=(50, 55), pretrained="MAE_BASE")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
