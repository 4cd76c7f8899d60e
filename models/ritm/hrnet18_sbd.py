"""RITM with HRNet-18 + OCR on SBD, three simulated corrections.

Paper:  arXiv 2102.06583; published as sbd_h18_itermask, trained on two GPUs
Needs:  sbd_samples_weights.pkl in SBD_PATH (published with f-BRS and RITM), or --set
        data.scores=null
Run:    python train.py models/ritm/hrnet18_sbd.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import sbd_iterative

from isegm.core.registry import spec
from isegm.methods.ritm import ritm_hrnet
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=ritm_hrnet(width=18, depth="full", ocr_width=64),
    **sbd_iterative(),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=220,
        batch_size=28,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(200, 215)),
        pretrained="HRNETV2_W18",
    ),
)
