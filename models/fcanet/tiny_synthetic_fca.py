"""A small FCA-Net on synthetic scenes, in minutes on a CPU core: with first click attention.

Paper:  Lin et al., CVPR 2020 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/fcanet/tiny_synthetic_fca.py --cpu
Cost:   800 steps, 4 to 9 minutes on one core of a busy machine
Result: fcanet v1, 50 objects of synthetic, mean of --seed 0, 1 and 2: NoC@85 6.32, NoC@90 10.59.
        See docs/explanation/methods/fcanet.md.

One of four: tiny_synthetic_bs, _fca, _cl and _iter each switch on one thing more. All take equally
many steps on the same 640 scenes.
"""

from __future__ import annotations

from common import SMALL, scenes, small_training

from isegm.core.registry import spec
from isegm.methods.fcanet import fcanet
from isegm.training.experiment import Experiment
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=fcanet("resnet", click_loss=False, **SMALL),
    **scenes(),
    user=spec(Iterative, max_rounds=0),
    train=small_training(),
)
