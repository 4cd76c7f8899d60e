"""FCA-Net with ResNet-101 on augmented PASCAL VOC: with first click attention.

Paper:  Lin et al., CVPR 2020, ablation, row + FCA (VOC 3.66 clicks, Berkeley 5.22)
Run:    python train.py models/fcanet/resnet101_fca.py --gpus 0
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import pascal_sbd, training

from isegm.core.registry import spec
from isegm.methods.fcanet import fcanet
from isegm.training.experiment import Experiment
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=fcanet("resnet", click_loss=False),
    **pascal_sbd(),
    user=spec(Iterative, max_rounds=0),
    train=training(pretrained="RESNET101"),
)
