"""The non-iterative baseline of RITM on COCO+LVIS with its other network: ResNet-34 + DeepLabV3+.

Paper:  arXiv 2102.06583; script r34_dh128_cocolvis, no weights published
Run:    python train.py models/ritm/r34_dh128_cocolvis_baseline.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.ritm import ritm_deeplab
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = ritm_deeplab(layers=34, width=128, prev_mask=False)


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(cfg, **recipes.SMALL_OBJECTS)
    train = TrainConfig(epochs=160, batch_size=28, lr=5e-4, milestones=(140, 155), pretrained="RESNET34_V1B")
    Trainer(MODEL, data, ClickPolicy(max_rounds=0), train, cfg).fit()
