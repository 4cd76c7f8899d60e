"""RITM with HRNet-18 + OCR on SBD, three simulated corrections.

Paper:  arXiv 2102.06583; published as sbd_h18_itermask, trained on two GPUs
Needs:  sbd_samples_weights.pkl in SBD_PATH (published with f-BRS and RITM), or --set data.sample_scores=null
Run:    python train.py models/ritm/hrnet18_sbd.py --gpus 0,1
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

MODEL = ritm_hrnet(width=18, depth="full", ocr_width=64)


def main(cfg: EasyDict) -> None:
    data = recipes.sbd(cfg, crop=(320, 480), **recipes.ITERATIVE_SBD)
    train = TrainConfig(epochs=220, batch_size=28, lr=5e-4, milestones=(200, 215), pretrained="HRNETV2_W18")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
