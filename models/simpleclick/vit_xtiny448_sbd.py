"""SimpleClick with an extra tiny ViT on SBD, crops of 448 x 448, three simulated corrections.

Paper:  arXiv 2210.11006; published as sbd_vitxt
Needs:  sbd_samples_weights.pkl in SBD_PATH, or --set data.scores=null
Run:    python train.py models/simpleclick/vit_xtiny448_sbd.py --gpus 0
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import sbd

from isegm.core.registry import spec
from isegm.methods.simpleclick import simpleclick
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=simpleclick("xtiny", 448),
    **sbd(448),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=1001,
        batch_size=32,
        optimizer=spec(Adam, lr=1e-5),
        schedule=spec(MultiStep, at=(800, 900)),
    ),
)
