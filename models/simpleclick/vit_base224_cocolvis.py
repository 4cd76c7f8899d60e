"""SimpleClick with ViT-B on COCO+LVIS, crops of 224 x 224, three simulated corrections.

Paper:  arXiv 2210.11006; a published script, no weights
Needs:  MAE's weights, see PRETRAINED in config.yml
Run:    python train.py models/simpleclick/vit_base224_cocolvis.py --gpus 0
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

MODEL = simpleclick("base", 224, pyramid=(256, 256, 256, 256))


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(cfg, crop=(224, 224), max_clicks=24, merge_objects=0.15, stuff_prob=0.30)
    train = TrainConfig(epochs=55, batch_size=32, lr=5e-4, milestones=(49, 55), pretrained="MAE_BASE")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
