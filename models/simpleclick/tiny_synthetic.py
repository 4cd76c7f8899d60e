"""A small SimpleClick on synthetic scenes, in minutes on a CPU core and without any file.

Paper:  arXiv 2210.11006 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/simpleclick/tiny_synthetic.py --cpu
Check:  python scripts/evaluate_model.py NoBRS --checkpoint <run folder>/model.safetensors
        --datasets synthetic --cpu
Cost:   800 steps, 9 minutes on two cores that were busy with other work
Result: simpleclick v1, the first 30 objects of synthetic: NoC@85 2.77 (untrained 20.00), NoC@90
        3.90.

Patches have 8 pixels and windows 64, so crops of 128 x 128 have four windows, as those of 448 x 448
have in the paper. Scenes are those of models/ritm/tiny_synthetic.py in smaller crops, of the size
that configs/eval/simpleclick.yml shows them at.
"""

from __future__ import annotations

from shared import small_scenes

from isegm.core.registry import spec
from isegm.methods.simpleclick import simpleclick
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=simpleclick("tiny", 128),
    **small_scenes(crop=(128, 128)),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=8,
        batch_size=8,
        optimizer=spec(Adam, lr=1e-3),
        schedule=spec(MultiStep, at=(6, 7)),
        clip=1.0,
        ema=0.99,
        amp="auto",
    ),
)
