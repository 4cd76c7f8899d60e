"""SimpleClick with ViT-B on COCO+LVIS, crops of 1024 x 1024, three simulated corrections.

Paper:  arXiv 2210.11006; a published script, no weights
Needs:  MAE's weights, see PRETRAINED in config.yml
Run:    python train.py models/simpleclick/vit_base1024_cocolvis.py --gpus 0,1,2,3
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
    model=simpleclick("base", 1024, pyramid=(256, 256, 256, 256)),
    **cocolvis(1024),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=230,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(190, 220)),
        pretrained="MAE_BASE",
    ),
)
