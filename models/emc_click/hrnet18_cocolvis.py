"""EMC-Click with HRNet-18 on COCO+LVIS, up to 23 simulated corrections.

Paper:  Du et al., CVPR 2023, efficient mask correction; published as hr18.pth, trained on four GPUs
Run:    python train.py models/emc_click/hrnet18_cocolvis.py --gpus 0,1,2,3
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
    model=emc_hrnet(width=18, depth="full", ocr_width=64, refiner_width=96),
    **cocolvis(),
    user=USER,
    train=Training(
        epochs=230,
        batch_size=64,
        optimizer=spec(Adam, lr=1e-3),
        schedule=spec(MultiStep, at=(200, 220)),
        sync_bn=True,
        pretrained="HRNETV2_W18",
    ),
)
