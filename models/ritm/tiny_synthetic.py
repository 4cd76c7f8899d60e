"""The quick start: a small RITM on synthetic scenes, in a few minutes on two CPU cores and without
any file.

Paper:  arXiv 2102.06583 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/ritm/tiny_synthetic.py --cpu --ngpus 2
Cost:   600 steps, 5 minutes on two CPU cores that were busy with other work
Result: ritm v1, the first 30 objects of synthetic: NoC@85 9.03 (untrained 20.00), NoC@90 13.53. See
        docs/how-to/reproduce.md.

Clicks are distance maps, not RITM's disks: without pretrained weights the network finds distances
useful within 60 steps and still ignores disks after 160.
"""

from __future__ import annotations

from shared import small_scenes

from isegm.core.registry import spec
from isegm.methods.ritm import ritm_hrnet
from isegm.nn.clicks.fusion import Conv1S
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=ritm_hrnet(
        width=12,
        depth="tiny",
        ocr_width=24,
        fusion=spec(Conv1S, in_channels=3, scale=1.0),
        click_map="distance",
        click_radius=80,
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
