"""A small MFP on synthetic scenes, in minutes on a CPU core and without any file.

Paper:  arXiv 2404.18448 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/mfp/tiny_synthetic.py --cpu
Check:  python scripts/evaluate_model.py NoBRS --checkpoint <run folder>/model.safetensors
        --datasets synthetic --cpu
Cost:   400 steps, 8 minutes on one core of a busy machine
Result: mfp v1, the first 30 objects of synthetic: NoC@85 10.87 (untrained 20.00), NoC@90 14.30;
        9 never reach 85 %.

Patches have 8 pixels and windows 64, as in models/simpleclick/tiny_synthetic.py. Scenes are the
same, too, in crops of the size that configs/eval/mfp.yml shows them at.
"""

from __future__ import annotations

from shared import small_scenes

from isegm.core.registry import spec
from isegm.methods.mfp import mfp
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=mfp("tiny", 96),
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
