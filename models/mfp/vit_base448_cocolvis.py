"""MFP with ViT-B on COCO+LVIS, crops of 448 x 448, three simulated corrections.

Paper:  arXiv 2404.18448; published as MFP_vit_base(cocolvis)
Needs:  MAE's weights, see PRETRAINED in config.yml
Run:    python train.py models/mfp/vit_base448_cocolvis.py --gpus 0,1
Cost:   not run here
Result: not run here

Training starts from one click in the middle of the object, on one of the objects if two are merged.
"""

from __future__ import annotations

from shared import cocolvis

from isegm.core.registry import spec
from isegm.data.augment import photographs
from isegm.data.sampling.multi_point import MultiPoint
from isegm.methods.mfp import mfp
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

CLICK = spec(MultiPoint, max_clicks=1, gamma=0.0, merge_prob=0.15, first_click_center=True)

EXPERIMENT = Experiment(
    model=mfp("base", 448),
    **cocolvis(CLICK, spec(photographs, crop=(448, 448)), stuff_prob=0.30, keep_background=0.0),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=55,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-5),
        schedule=spec(MultiStep, at=(10,)),
        pretrained="MAE_BASE",
    ),
)
