"""A small CDNet on synthetic scenes, in minutes on a CPU core and without any file.

Paper:  Chen et al., ICCV 2021 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/cdnet/tiny_synthetic.py --cpu
Cost:   600 steps, 6 minutes on one core of a busy machine
Result: cdnet v1, the first 30 objects of synthetic: NoC@85 5.10 (untrained 15.33), NoC@90 7.80.

Without pretrained weights faint small disks are ignored for long: here they are larger, and enter
at full strength. Untrained it is ahead of other methods, since pixel diffusion spreads clicks to
what has their colour.
"""

from __future__ import annotations

from shared import small_scenes

from isegm.core.registry import spec
from isegm.methods.cdnet import cdnet
from isegm.nn.clicks.fusion import Conv1S
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=cdnet(
        layers=10,
        width=32,
        resnet_width=16,
        fusion=spec(Conv1S, in_channels=2, scale=1.0),
        click_radius=10,
        backbone_lr=1.0,
    ),
    **small_scenes(),
    user=spec(Iterative, max_rounds=0),
    train=Training(
        epochs=6,
        batch_size=8,
        optimizer=spec(Adam, lr=3e-3),
        schedule=spec(MultiStep, at=(4, 5)),
        ema=0.99,
        amp="auto",
        channels_last=True,
    ),
)
