"""The non-iterative baseline of RITM: HRNet-18 + OCR on COCO+LVIS, no previous mask, sampled clicks
only.

Paper:  arXiv 2102.06583, table 4; published as coco_lvis_h18_baseline
Run:    python train.py models/ritm/hrnet18_cocolvis_baseline.py --gpus 0,1
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
    model=ritm_hrnet(width=18, depth="full", ocr_width=64, prev_mask=False),
    **cocolvis(),
    user=spec(Iterative, max_rounds=0),
    train=Training(
        epochs=230,
        batch_size=28,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(200, 220)),
        pretrained="HRNETV2_W18",
    ),
)
