"""ClickSEG's light baseline with MobileNetV2 on COCO+LVIS, three simulated corrections.

Paper:  the code of arXiv 2204.02574, which says NoC@90 2.02 (GrabCut), 2.69 (Berkeley), 6.75 (SBD),
        5.81 (DAVIS)
Run:    python train.py models/clickseg_baseline/mobilenetv2_cocolvis.py --gpus 0,1
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
    model=clickseg_baseline("mobilenetv2"),
    **cocolvis(),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=230,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-3),
        schedule=spec(MultiStep, at=(190, 210)),
        pretrained="MOBILENETV2",
    ),
)
