"""FocalClick with SegFormer-B0, S1, in the older augmentation on COCO+LVIS, three simulated corrections.

Paper:  arXiv 2204.02574; trained on two GPUs (published script: segformerB0_S1_cclvs_oldaug)
Run:    python train.py models/focalclick/segformer_b0_s1_cocolvis_resized_crop.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.focalclick import focalclick_segformer
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = focalclick_segformer("b0", pipeline="s1")


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(cfg, **recipes.FOCALCLICK, augmentation="resized_crop", stuff_prob=0.20)
    train = TrainConfig(epochs=230, batch_size=64, lr=5e-3, milestones=(190, 210), pretrained="SEGFORMER_B0")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
