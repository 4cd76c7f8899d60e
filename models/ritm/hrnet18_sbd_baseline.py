"""The non-iterative baseline of RITM on SBD: HRNet-18 + OCR, no previous mask, sampled clicks only.

Paper:  arXiv 2102.06583; script hrnet18_ocr64_sbd, no weights published
Needs:  sbd_samples_weights.pkl in SBD_PATH (published with f-BRS and RITM), or --set
        data.scores=null
Run:    python train.py models/ritm/hrnet18_sbd_baseline.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import sbd_baseline

from isegm.core.registry import spec
from isegm.methods.ritm import ritm_hrnet
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=ritm_hrnet(width=18, depth="full", ocr_width=64, prev_mask=False),
    **sbd_baseline(),
    user=spec(Iterative, max_rounds=0),
    train=Training(
        epochs=120,
        batch_size=28,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(100, 115)),
        pretrained="HRNETV2_W18",
    ),
)
