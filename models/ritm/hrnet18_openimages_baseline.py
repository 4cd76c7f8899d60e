"""The non-iterative baseline of RITM on OpenImages: HRNet-18 + OCR, no previous mask, sampled clicks only.

Paper:  arXiv 2102.06583; script hrnet18_ocr64_openimages, no weights published
Run:    python train.py models/ritm/hrnet18_openimages_baseline.py --gpus 0,1
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

MODEL = ritm_hrnet(width=18, depth="full", ocr_width=64, prev_mask=False)


def main(cfg: EasyDict) -> None:
    data = recipes.open_images(cfg, crop=(320, 480), max_clicks=24, merge_objects=0.15)
    train = TrainConfig(epochs=140, batch_size=28, lr=5e-4, milestones=(120, 135), pretrained="HRNETV2_W18")
    Trainer(MODEL, data, ClickPolicy(max_rounds=0), train, cfg).fit()
