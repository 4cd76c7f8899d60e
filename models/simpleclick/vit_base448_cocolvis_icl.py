"""SimpleClick with ViT-B on COCO+LVIS, trained further with iterative click loss.

Paper:  CFR-ICL, arXiv 2303.05620: weights 1, 2, 3 and a learning rate of 5e-6; the number of epochs
        is not the paper's
Needs:  the trained network of models/simpleclick/vit_base448_cocolvis.py, here the published one
Run:    python train.py models/simpleclick/vit_base448_cocolvis_icl.py --gpus 0,1
        --weights simpleclick_vit_b_cocolvis
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import cocolvis

from isegm.core.registry import spec
from isegm.methods.simpleclick import simpleclick
from isegm.training.click_losses import IterativeClickLoss
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=simpleclick("base", 448),
    **cocolvis(448),
    user=spec(Iterative, max_rounds=2),
    train=Training(
        epochs=20,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-6),
        click_losses=spec(IterativeClickLoss, weights=(1, 2, 3)),
    ),
)
