"""FCFI with ResNet-101 + DeepLabV3+ on SBD.

Paper:  Wei et al., CVPR 2023; published as r101_dh256_sbd, trained on two GPUs
Needs:  sbd_samples_weights.pkl in SBD_PATH (published with f-BRS and RITM), or --set data.sample_scores=null
Run:    python train.py models/fcfi/r101_sbd.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.fcfi import fcfi_r101
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = fcfi_r101()


def main(cfg: EasyDict) -> None:
    data = recipes.sbd(
        cfg,
        crop=(320, 480),
        max_clicks=24,
        gamma=0.8,
        merge_objects=0.15,
        first_click_center=True,
        augmentation="coco",
        sample_scores="sbd_samples_weights.pkl",
        min_object_area=80,
        keep_background=0.01,
        val_epoch_len=500,
    )
    train = TrainConfig(epochs=220, batch_size=24, lr=5e-4, milestones=(50, 100, 150), pretrained="RESNET101_V1S")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
