"""EMC-Click with SegFormer-B0 on COCO+LVIS, up to 23 simulated corrections.

Paper:  Du et al., CVPR 2023, efficient mask correction; published as segb0.pth, trained on four GPUs
Run:    python train.py models/emc_click/segformer_b0_cocolvis.py --gpus 0,1,2,3
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.emc_click import emc_segformer
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = emc_segformer("b0")


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(cfg, **recipes.EMC_CLICK)
    train = TrainConfig(epochs=230, batch_size=64, lr=1e-3, milestones=(200, 220), sync_bn=True, pretrained="SEGFORMER_B0")
    Trainer(MODEL, data, ClickPolicy(max_rounds=23, round_decay=0.8, proportional_side=True), train, cfg).fit()
