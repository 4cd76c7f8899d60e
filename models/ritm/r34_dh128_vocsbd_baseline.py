"""The non-iterative baseline of RITM on PASCAL VOC and SBD with its other network: ResNet-34 + DeepLabV3+.

Paper:  arXiv 2102.06583; script r34_dh128_vocsbd, no weights published
        # differs from the original: the objects of VOC are told apart by palette index, not by the gray level of their colour.
Run:    python train.py models/ritm/r34_dh128_vocsbd_baseline.py --gpus 0,1
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
    data = recipes.voc_sbd(cfg, crop=(320, 480), max_clicks=24, merge_objects=0.15, val_min_object_area=1000)
    train = TrainConfig(epochs=120, batch_size=28, lr=5e-4, milestones=(100, 115), pretrained="RESNET34_V1B")
    Trainer(MODEL, data, ClickPolicy(max_rounds=0), train, cfg).fit()
