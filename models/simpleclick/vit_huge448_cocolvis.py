"""SimpleClick with ViT-H on COCO+LVIS, crops of 448 x 448, three simulated corrections.

Paper:  arXiv 2210.11006; published as cocolvis_vit_huge, trained on four GPUs
Needs:  MAE's weights, see PRETRAINED in config.yml
Run:    python train.py models/simpleclick/vit_huge448_cocolvis.py --gpus 0,1,2,3
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import cocolvis

from isegm.core.registry import spec
from isegm.methods.simpleclick import simpleclick
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=simpleclick("huge", 448),
    **cocolvis(448),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=55,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-5),
        schedule=spec(MultiStep, at=(50, 55)),
        pretrained="MAE_HUGE",
    ),
)
