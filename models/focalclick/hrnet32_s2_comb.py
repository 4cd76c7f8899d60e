"""FocalClick with HRNet-32, S2 on COCO+LVIS mixed with sets of finer masks, three simulated
corrections.

Paper:  arXiv 2204.02574, trained on two GPUs; published
Needs:  the data sets of shared.comb; leave one out with --set data.source.parts.N=null (N from 0)
Run:    python train.py models/focalclick/hrnet32_s2_comb.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import comb

from isegm.core.registry import spec
from isegm.methods.focalclick import focalclick_hrnet
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=focalclick_hrnet(width=32, depth="full", ocr_width=128, pipeline="s2"),
    **comb(colour=True),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=230,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-4),
        schedule=spec(MultiStep, at=(190, 210)),
        pretrained="HRNETV2_W32",
    ),
)
