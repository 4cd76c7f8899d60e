"""RITM with HRNet-32 + OCR on COCO+LVIS, three simulated corrections.

Paper:  arXiv 2102.06583, table 4; published as coco_lvis_h32_itermask, trained on four GPUs
Run:    python train.py models/ritm/hrnet32_cocolvis.py --gpus 0,1,2,3
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.ritm import ritm_hrnet
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = ritm_hrnet(width=32, depth="full", ocr_width=128)


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(cfg, crop=(320, 480), max_clicks=24, merge_objects=0.15, stuff_prob=0.30)
    train = TrainConfig(epochs=230, batch_size=32, lr=5e-4, milestones=(200, 220), pretrained="HRNETV2_W32")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
