"""EMC-Click with SegFormer-B3 on COCO+LVIS, up to 23 simulated corrections.

Paper:  Du et al., CVPR 2023, efficient mask correction; published as segb3.pth, trained on eight GPUs
Run:    python train.py models/emc_click/segformer_b3_cocolvis.py --gpus 0,1,2,3,4,5,6,7
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

MODEL = emc_segformer("b3")


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(cfg, **recipes.EMC_CLICK)
    train = TrainConfig(epochs=230, batch_size=64, lr=2e-3, milestones=(200, 220), sync_bn=True, pretrained="SEGFORMER_B3")
    Trainer(MODEL, data, ClickPolicy(max_rounds=23, round_decay=0.8, proportional_side=True), train, cfg).fit()
