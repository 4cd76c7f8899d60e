"""FocalClick with HRNet-18s, S2 on COCO+LVIS mixed with sets of finer masks, three simulated corrections.

Paper:  arXiv 2204.02574, trained on two GPUs
Needs:  the data sets of recipes.comb, or some of them: --set data.shares=[0.35,0,0.1,0,0.1,0]
Run:    python train.py models/focalclick/hrnet18s_s2_comb.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.focalclick import focalclick_hrnet
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = focalclick_hrnet(width=18, depth="small", ocr_width=48, pipeline="s2")


def main(cfg: EasyDict) -> None:
    data = recipes.comb(cfg, **recipes.FOCALCLICK, augmentation="aligned_wide")
    train = TrainConfig(epochs=230, batch_size=64, lr=5e-4, milestones=(190, 210), pretrained="HRNETV2_W18_SMALL")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
