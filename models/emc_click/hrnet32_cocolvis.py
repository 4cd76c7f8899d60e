"""EMC-Click with HRNet-32 on COCO+LVIS, up to 23 simulated corrections.

Paper:  Du et al., CVPR 2023, efficient mask correction; published as hr32.pth, trained on eight
        GPUs
Run:    python train.py models/emc_click/hrnet32_cocolvis.py --gpus 0,1,2,3,4,5,6,7
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import USER, cocolvis

from isegm.core.registry import spec
from isegm.methods.emc_click import emc_hrnet
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep

EXPERIMENT = Experiment(
    model=emc_hrnet(width=32, depth="full", ocr_width=128, refiner_width=96),
    **cocolvis(),
    user=USER,
    train=Training(
        epochs=230,
        batch_size=64,
        optimizer=spec(Adam, lr=8e-4),
        schedule=spec(MultiStep, at=(200, 220)),
        sync_bn=True,
        pretrained="HRNETV2_W32",
    ),
)
