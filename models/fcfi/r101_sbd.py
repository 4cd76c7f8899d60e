"""FCFI with ResNet-101 + DeepLabV3+ on SBD.

Paper:  Wei et al., CVPR 2023; published as r101_dh256_sbd, trained on two GPUs
Needs:  sbd_samples_weights.pkl in SBD_PATH (published with f-BRS and RITM), or --set
        data.scores=null
Run:    python train.py models/fcfi/r101_sbd.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import sbd

from isegm.core.registry import spec
from isegm.methods.fcfi import fcfi_r101
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=fcfi_r101(),
    **sbd(),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=220,
        batch_size=24,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(50, 100, 150)),
        pretrained="RESNET101_V1S",
    ),
)
