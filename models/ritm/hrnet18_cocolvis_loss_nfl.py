"""RITM's loss ablation: normalized focal loss on the answer; HRNet-18 + OCR on COCO+LVIS, no
previous mask.

Paper:  arXiv 2102.06583, ablation of losses; script cocolvis_loss_ablation/hrnet18_ocr64_nfl, no
        weights published.
        It is the loss of all its other scripts.
Run:    python train.py models/ritm/hrnet18_cocolvis_loss_nfl.py --gpus 0,1
Cost:   not run here
Result: not run here

hrnet18_cocolvis_loss_bce, _focal, _nfl and _soft_iou differ in this loss alone; the first guess
always learns by cross-entropy.
"""

from __future__ import annotations

from common import cocolvis_small_objects

from isegm.core.registry import spec
from isegm.methods.ritm import ritm_hrnet, with_loss
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=with_loss(
        ritm_hrnet(width=18, depth="full", ocr_width=64, prev_mask=False),
        spec(NormalizedFocalLoss, alpha=0.5, gamma=2),
    ),
    **cocolvis_small_objects(),
    user=spec(Iterative, max_rounds=0),
    train=Training(
        epochs=160,
        batch_size=28,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(140, 155)),
        pretrained="HRNETV2_W18",
    ),
)
