"""The starter: EfficientNet-Lite0 with a light pyramid, at a constant rate on crops of 256.

Paper:  none; see docs/explanation/starter.md
Run:    python train.py models/starter/lite0.py --cpu --ngpus 2 --exp-name night --resume auto
Cost:   3,153 steps from the weights of 1,087 earlier ones; 1 s per step on two CPU cores
Result: starter v1, NoC@85 and NoC@90 in the course of this run:
            1,000 steps: GrabCut 3.54, 4.64; Berkeley 4.06, 7.32
            1,270 steps: GrabCut 2.58, 3.42; Berkeley 3.40, 5.82
            3,000 steps: GrabCut 2.74, 3.14; Berkeley 3.64, 5.58
        lite0_320.py continues; what is shipped: docs/explanation/starter.md

The rate stays constant and the averaged weights are what is used, so the training can be stopped at
any time.
"""

from __future__ import annotations

from common import starter

from isegm.core.registry import spec
from isegm.methods.click_pyramid import click_pyramid
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=click_pyramid(),
    **starter(crop=(256, 256)),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=40,
        batch_size=8,
        optimizer=spec(Adam, lr=1e-3),
        clip=5.0,
        ema=0.999,
        channels_last=True,
        workers=1,
        pretrained="EFFICIENTNET_LITE0",
        checkpoint_interval=1,
        checkpoint_minutes=3.0,
    ),
)
