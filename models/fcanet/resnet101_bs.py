"""FCA-Net with ResNet-101 on augmented PASCAL VOC: the baseline, all clicks alike.

Paper:  Lin et al., CVPR 2020, ablation, row BS (VOC 4.21 clicks, Berkeley 5.74)
Run:    python train.py models/fcanet/resnet101_bs.py --gpus 0
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
    model=fcanet("resnet", first_click=False, click_loss=False),
    **pascal_sbd(),
    user=spec(Iterative, max_rounds=0),
    train=training(pretrained="RESNET101"),
)
