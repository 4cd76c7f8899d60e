"""FCA-Net with ResNet-101 on augmented PASCAL VOC: first click attention, click loss, iterative
training.

Paper:  Lin et al., CVPR 2020, published as fcanet-resnet (VOC 2.98 clicks, Berkeley 4.23)
Run:    python train.py models/fcanet/resnet101.py --gpus 0
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
    model=fcanet("resnet"),
    **pascal_sbd(),
    user=spec(Replaying, replay=0.7),
    train=training(pretrained="RESNET101"),
)
