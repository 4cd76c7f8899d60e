"""EMC-Click with HRNet-18-small-v2 on COCO+LVIS, up to 23 simulated corrections.

Paper:  Du et al., CVPR 2023, efficient mask correction; published as hr18s.pth, trained on four GPUs
Run:    python train.py models/emc_click/hrnet18s_cocolvis.py --gpus 0,1,2,3
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

MODEL = emc_hrnet(width=18, depth="small", ocr_width=48, refiner_width=64)


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(cfg, **recipes.EMC_CLICK)
    train = TrainConfig(epochs=230, batch_size=64, lr=1e-3, milestones=(200, 220), sync_bn=True, pretrained="HRNETV2_W18_SMALL")
    Trainer(MODEL, data, ClickPolicy(max_rounds=23, round_decay=0.8, proportional_side=True), train, cfg).fit()
