"""FCA-Net with ResNet-101 on augmented PASCAL VOC: first click attention and click loss.

Paper:  Lin et al., CVPR 2020, ablation, row + click loss (VOC 3.33 clicks, Berkeley 4.94)
Run:    python train.py models/fcanet/resnet101_cl.py --gpus 0
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
    model=fcanet("resnet"),
    **pascal_sbd(),
    user=spec(Iterative, max_rounds=0),
    train=training(pretrained="RESNET101"),
)
