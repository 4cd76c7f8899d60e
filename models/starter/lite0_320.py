"""The starter, second part: crops at the size of its views, more corrections, a falling rate.

Paper:  none; see docs/explanation/starter.md
Run:    python train.py models/starter/lite0_320.py --cpu --ngpus 2 --weights RUN/model.safetensors
Cost:   1.4 s per step on two CPU cores, 2.3 s beside other work
Result: starter v1, NoC@85 and NoC@90 from the weights of lite0.py after 3,153 steps:
            GrabCut 2.04, 2.40; Berkeley 2.93, 4.81
        and after 225 steps more with --set train.optimizer.lr=5e-4 --set train.epochs=5
        --set train.schedule.epochs=5 --set train.seed=1 --set data.seed=1:
            GrabCut 2.20, 2.50; Berkeley 2.87, 4.69 (starter v2: 2.04, 2.34; 2.64, 4.55)
        and after 4,600 steps more with --set train.optimizer.lr=5e-4 --set train.epochs=46
        --set train.schedule.epochs=46 --set train.seed=2 --set data.seed=2 (what is shipped):
            starter v2: GrabCut 1.84, 2.08; Berkeley 2.51, 4.04

The first part (lite0.py) sees crops of 256 and at most three corrections. What its answers lack is
detail: after five clicks most of what is left are thin parts, and clicks on them do too little.
"""

from __future__ import annotations

from common import starter

from isegm.core.registry import spec
from isegm.methods.click_pyramid import click_pyramid
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, Polynomial
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=click_pyramid(),
    **starter(crop=(320, 320), epoch_len=800),
    user=spec(Iterative, max_rounds=5),
    train=Training(
        epochs=10,
        batch_size=8,
        optimizer=spec(Adam, lr=8e-4),
        schedule=spec(Polynomial, epochs=10),
        clip=5.0,
        ema=0.998,
        channels_last=True,
        workers=1,
        checkpoint_interval=4,
        checkpoint_minutes=3.0,
    ),
)
