"""RITM with HRNet-18-small-v2 + OCR on COCO+LVIS, three simulated corrections.

Paper:  arXiv 2102.06583, table 4; published as coco_lvis_h18s_itermask, trained on one GPU
Run:    python train.py models/ritm/hrnet18s_cocolvis.py --gpus 0
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import cocolvis

from isegm.core.registry import spec
from isegm.methods.ritm import ritm_hrnet
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=ritm_hrnet(width=18, depth="small", ocr_width=48),
    **cocolvis(),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=230,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(200, 220)),
        pretrained="HRNETV2_W18_SMALL",
    ),
)
