"""FCFI with HRNet-18 + OCR on COCO+LVIS.

Paper:  Wei et al., CVPR 2023; published as "hrnet18s_cocolvis", trained on two GPUs. It is a whole
        HRNet-18, not the small one
Run:    python train.py models/fcfi/hrnet18_cocolvis.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import cocolvis

from isegm.core.registry import spec
from isegm.methods.fcfi import fcfi_hrnet18
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=fcfi_hrnet18(),
    **cocolvis(),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=230,
        batch_size=64,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(200, 220)),
        pretrained="HRNETV2_W18",
    ),
)
