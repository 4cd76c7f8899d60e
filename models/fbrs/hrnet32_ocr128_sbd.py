"""f-BRS: HRNet-32 + OCR (128 channels) on SBD.

Paper:  arXiv 2001.10331; published as hrnet32_ocr128_sbd
        # differs from the original: clicks are drawn by RITM's sampler, which treats merged objects
        and negatives differently.
Needs:  sbd_samples_weights.pkl in SBD_PATH (published with f-BRS and RITM), or --set
        data.scores=null
Run:    python train.py models/fbrs/hrnet32_ocr128_sbd.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import sbd

from isegm.core.registry import spec
from isegm.methods.fbrs import fbrs_hrnet
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=fbrs_hrnet(width=32, depth="full", ocr_width=128),
    **sbd(),
    user=spec(Iterative, max_rounds=0),
    train=Training(
        epochs=120,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(100,)),
        pretrained="HRNETV2_W32",
    ),
)
