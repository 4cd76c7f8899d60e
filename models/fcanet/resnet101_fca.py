"""FCA-Net with ResNet-101 on augmented PASCAL VOC: with first click attention.

Paper:  Lin et al., CVPR 2020, ablation, row + FCA (VOC 3.66 clicks, Berkeley 5.22)
Run:    python train.py models/fcanet/resnet101_fca.py --gpus 0
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

MODEL = fcanet("resnet", click_loss=False)


def main(cfg: EasyDict) -> None:
    data = recipes.pascal_sbd(cfg, **recipes.FCANET)
    train = TrainConfig(
        epochs=33, batch_size=8, lr=0.007, momentum=0.9, weight_decay=5e-4, poly_epochs=30, pretrained="RESNET101"
    )
    Trainer(MODEL, data, ClickPolicy(max_rounds=0), train, cfg).fit()
