"""A small light baseline on synthetic scenes, in minutes on a CPU core and without any file.

Paper:  arXiv 2204.02574 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/clickseg_baseline/tiny_synthetic.py --cpu
Cost:   600 steps, 6 minutes on one core of a busy machine
Result: clickseg v1, the first 30 objects of synthetic: NoC@85 8.27 (untrained 20.00), NoC@90 12.20.

PP-LCNet of half the width. Without pretrained weights faint small disks are ignored for long: here
they are larger, and enter at full strength.
"""

from __future__ import annotations

from shared import small_scenes

from isegm.core.registry import spec
from isegm.methods.clickseg_baseline import ClickSEGBaseline
from isegm.nn.backbones.pplcnet import PPLCNet
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.fusion import SideConvs
from isegm.nn.heads.lite import LiteHead
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=spec(
        ClickSEGBaseline,
        backbone=spec(PPLCNet, width=0.5),
        head=spec(LiteHead, in_channels=256, skip_channels=32, width=64),
        fusion=spec(SideConvs, out_channels=16, scale=1.0),
        clicks=spec(Disks, radius=10),
        backbone_lr=1.0,
    ),
    **small_scenes(),
    user=spec(Iterative, max_rounds=3),
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
