"""A small SegNext on synthetic scenes, in minutes on a CPU core and without any file.

Paper:  arXiv 2404.00741 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/segnext/tiny_synthetic.py --cpu
Check:  python scripts/evaluate_model.py NoBRS --checkpoint <run folder>/model.safetensors
        --datasets synthetic --cpu
Cost:   400 steps, 8 minutes on one core of a busy machine
Result: segnext v1, the first 30 objects of synthetic: NoC@85 8.53 (untrained 20.00), NoC@90
        13.90; 6 never reach 85 %.

Patches have 8 pixels and windows 64, as in models/simpleclick/tiny_synthetic.py. Scenes are the
same, too, in crops of the size that configs/eval/segnext.yml shows them at.
"""

from __future__ import annotations

from shared import small_scenes

from isegm.core.registry import spec
from isegm.methods.segnext import segnext
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=segnext("tiny", 96, sax=1),
    **small_scenes(crop=(96, 96)),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=4,
        batch_size=8,
        optimizer=spec(Adam, lr=1e-3),
        schedule=spec(MultiStep, at=(3,)),
        clip=1.0,
        ema=0.98,
    ),
)
