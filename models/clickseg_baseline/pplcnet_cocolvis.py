"""ClickSEG's light baseline with PP-LCNet on COCO+LVIS, three simulated corrections.

Paper:  the code of arXiv 2204.02574, which says NoC@90 1.92 (GrabCut), 2.66 (Berkeley), 6.66 (SBD),
        5.78 (DAVIS)
Run:    python train.py models/clickseg_baseline/pplcnet_cocolvis.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import cocolvis

from isegm.core.registry import spec
from isegm.methods.clickseg_baseline import clickseg_baseline
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=clickseg_baseline("pplcnet"),
    **cocolvis(),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=230,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-3),
        schedule=spec(MultiStep, at=(190, 210)),
        pretrained="PPLCNET_X1",
    ),
)
