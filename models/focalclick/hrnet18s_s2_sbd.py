"""FocalClick with HRNet-18-small-v2, S2 on SBD, three simulated corrections.

Paper:  arXiv 2204.02574; trained on two GPUs
Needs:  sbd_samples_weights.pkl in SBD_PATH (published with f-BRS and RITM), or --set
        data.scores=null
Run:    python train.py models/focalclick/hrnet18s_s2_sbd.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import sbd

from isegm.core.registry import spec
from isegm.methods.focalclick import focalclick_hrnet
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=focalclick_hrnet(width=18, depth="small", ocr_width=48, pipeline="s2"),
    **sbd(),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=230,
        batch_size=64,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(190, 210)),
        pretrained="HRNETV2_W18_SMALL",
    ),
)
