"""FCFI with HRNet-18 + OCR on COCO+LVIS.

Paper:  Wei et al., CVPR 2023; published as "hrnet18s_cocolvis", trained on two GPUs. It is a whole HRNet-18, not the small one
Run:    python train.py models/fcfi/hrnet18_cocolvis.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.fcfi import fcfi_hrnet18
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = fcfi_hrnet18()


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(
        cfg,
        crop=(320, 480),
        max_clicks=24,
        gamma=0.8,
        merge_objects=0.15,
        first_click_center=True,
        stuff_prob=0.30,
        min_object_area=1000,
        keep_background=0.05,
    )
    train = TrainConfig(epochs=230, batch_size=64, lr=5e-4, milestones=(200, 220), pretrained="HRNETV2_W18")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
