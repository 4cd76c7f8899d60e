"""The non-iterative baseline of RITM on ADE20K: HRNet-18 + OCR, no previous mask, sampled clicks
only.

Paper:  arXiv 2102.06583; script hrnet18_ocr64_ade20k, no weights published
        # differs from the original: stuff is what its list of names says; there, an index is
        compared with numbers.
Run:    python train.py models/ritm/hrnet18_ade20k_baseline.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import ade20k

from isegm.core.registry import spec
from isegm.methods.ritm import ritm_hrnet
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=ritm_hrnet(width=18, depth="full", ocr_width=64, prev_mask=False),
    **ade20k(),
    user=spec(Iterative, max_rounds=0),
    train=Training(
        epochs=120,
        batch_size=28,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(100, 115)),
        pretrained="HRNETV2_W18",
    ),
)
