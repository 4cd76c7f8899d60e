"""EMC-Click with SegFormer-B3 on COCO+LVIS, up to 23 simulated corrections.

Paper:  Du et al., CVPR 2023, efficient mask correction; published as segb3.pth, trained on eight
        GPUs
Run:    python train.py models/emc_click/segformer_b3_cocolvis.py --gpus 0,1,2,3,4,5,6,7
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import USER, cocolvis

from isegm.core.registry import spec
from isegm.methods.emc_click import emc_segformer
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep

EXPERIMENT = Experiment(
    model=emc_segformer("b3"),
    **cocolvis(),
    user=USER,
    train=Training(
        epochs=230,
        batch_size=64,
        optimizer=spec(Adam, lr=2e-3),
        schedule=spec(MultiStep, at=(200, 220)),
        sync_bn=True,
        pretrained="SEGFORMER_B3",
    ),
)
