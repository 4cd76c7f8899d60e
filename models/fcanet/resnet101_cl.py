"""FCA-Net with ResNet-101 on augmented PASCAL VOC: first click attention and click loss.

Paper:  Lin et al., CVPR 2020, ablation, row + click loss (VOC 3.33 clicks, Berkeley 4.94)
Run:    python train.py models/fcanet/resnet101_cl.py --gpus 0
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.fcanet import fcanet
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = fcanet("resnet")


def main(cfg: EasyDict) -> None:
    data = recipes.pascal_sbd(cfg, **recipes.FCANET)
    train = TrainConfig(
        epochs=33, batch_size=8, lr=0.007, momentum=0.9, weight_decay=5e-4, poly_epochs=30, pretrained="RESNET101"
    )
    Trainer(MODEL, data, ClickPolicy(max_rounds=0), train, cfg).fit()
