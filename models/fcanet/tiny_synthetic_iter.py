"""A small FCA-Net on synthetic scenes, in minutes on a CPU core: first click attention, click loss,
iterative training.

Paper:  Lin et al., CVPR 2020 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/fcanet/tiny_synthetic_iter.py --cpu
Cost:   800 steps, 4 to 9 minutes on one core of a busy machine
Result: fcanet v1, 50 objects of synthetic, mean of --seed 0, 1 and 2: NoC@85 5.03, NoC@90 8.79. See
        docs/explanation/methods/fcanet.md.

One of four: tiny_synthetic_bs, _fca, _cl and _iter each switch on one thing more. All take equally
many steps on the same 640 scenes.
"""

from __future__ import annotations

from common import SMALL, scenes, small_training

from isegm.core.registry import spec
from isegm.methods.fcanet import fcanet
from isegm.training.experiment import Experiment
from isegm.training.users.replay import Replaying

EXPERIMENT = Experiment(
    model=fcanet("resnet", **SMALL),
    **scenes(),
    user=spec(Replaying, replay=0.7),
    train=small_training(),
)
