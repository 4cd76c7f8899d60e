"""EMC-Click with HRNet-32 on COCO+LVIS, up to 23 simulated corrections.

Paper:  Du et al., CVPR 2023, efficient mask correction; published as hr32.pth, trained on eight GPUs
Run:    python train.py models/emc_click/hrnet32_cocolvis.py --gpus 0,1,2,3,4,5,6,7
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.emc_click import emc_hrnet
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = emc_hrnet(width=32, depth="full", ocr_width=128, refiner_width=96)


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(cfg, **recipes.EMC_CLICK)
    train = TrainConfig(epochs=230, batch_size=64, lr=8e-4, milestones=(200, 220), sync_bn=True, pretrained="HRNETV2_W32")
    Trainer(MODEL, data, ClickPolicy(max_rounds=23, round_decay=0.8, proportional_side=True), train, cfg).fit()
