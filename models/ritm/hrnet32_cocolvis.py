"""RITM with HRNet-32 + OCR on COCO+LVIS, three simulated corrections.

Paper:  arXiv 2102.06583, table 4; published as coco_lvis_h32_itermask, trained on four GPUs
Run:    python train.py models/ritm/hrnet32_cocolvis.py --gpus 0,1,2,3
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
    model=ritm_hrnet(width=32, depth="full", ocr_width=128),
    **cocolvis(),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=230,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(200, 220)),
        pretrained="HRNETV2_W32",
    ),
)
