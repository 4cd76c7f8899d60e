"""FCA-Net with Res2Net-101 on augmented PASCAL VOC: the whole method.

Paper:  Lin et al., CVPR 2020, published as fcanet-res2net (VOC 2.79 clicks, Berkeley 3.92)
Run:    python train.py models/fcanet/res2net101.py --gpus 0
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import pascal_sbd, training

from isegm.core.registry import spec
from isegm.methods.fcanet import fcanet
from isegm.training.experiment import Experiment
from isegm.training.users.replay import Replaying

EXPERIMENT = Experiment(
    model=fcanet("res2net"),
    **pascal_sbd(),
    user=spec(Replaying, replay=0.7),
    train=training(pretrained="RES2NET101_V1B"),
)
