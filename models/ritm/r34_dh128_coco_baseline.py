"""The non-iterative baseline of RITM on COCO panoptic with its other network: ResNet-34 +
DeepLabV3+.

Paper:  arXiv 2102.06583; script r34_dh128_coco, no weights published
Run:    python train.py models/ritm/r34_dh128_coco_baseline.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import coco_panoptic

from isegm.core.registry import spec
from isegm.methods.ritm import ritm_deeplab
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=ritm_deeplab(layers=34, width=128, prev_mask=False),
    **coco_panoptic(),
    user=spec(Iterative, max_rounds=0),
    train=Training(
        epochs=140,
        batch_size=28,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(120, 135)),
        pretrained="RESNET34_V1B",
    ),
)
