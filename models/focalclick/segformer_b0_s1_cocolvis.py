"""FocalClick with SegFormer-B0, S1 on COCO+LVIS, three simulated corrections.

Paper:  arXiv 2204.02574; trained on two GPUs (its batch is not published; that of its siblings)
Run:    python train.py models/focalclick/segformer_b0_s1_cocolvis.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import CROP, cocolvis

from isegm.core.registry import spec
from isegm.data.augment import aligned
from isegm.methods.focalclick import focalclick_segformer
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=focalclick_segformer("b0", pipeline="s1"),
    **cocolvis(spec(aligned, crop=CROP)),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=230,
        batch_size=64,
        optimizer=spec(Adam, lr=5e-3),
        schedule=spec(MultiStep, at=(190, 210)),
        pretrained="SEGFORMER_B0",
    ),
)
