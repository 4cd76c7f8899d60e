"""CDNet with ResNet-34 on COCO+LVIS: feature diffusion, diversified training, no simulated
corrections.

Paper:  Chen et al., ICCV 2021; the version of ClickSEG's code (cdnet_res34_cclvs), published as
        CDNet R34 (C+L), two GPUs
Run:    python train.py models/cdnet/r34_cocolvis.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import cocolvis

from isegm.core.registry import spec
from isegm.methods.cdnet import cdnet
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=cdnet(layers=34, width=128),
    **cocolvis(),
    user=spec(Iterative, max_rounds=0),
    train=Training(
        epochs=120,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(80, 105)),
        pretrained="RESNET34_V1B",
    ),
)
