"""A small network of f-BRS' kind on synthetic scenes, to try the optimisation modes on: no previous
mask, distance maps.

Paper:  arXiv 2001.10331 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/fbrs/tiny_synthetic.py --cpu --ngpus 2
Check:  python scripts/evaluate_model.py f-BRS-B --exp-path fbrs/tiny_synthetic/000 --datasets
        synthetic
Cost:   600 steps, 9 minutes on one thread of a busy CPU
Result: ritm v1, 50 objects of synthetic: NoC@85 14.00 with NoBRS, 12.32 with f-BRS-B; more in
        docs/explanation/methods/fbrs.md

Scenes and steps are those of models/ritm/tiny_synthetic.py; all clicks are sampled, as f-BRS
trains.
"""

from __future__ import annotations

from shared import small_scenes

from isegm.core.registry import spec
from isegm.methods.fbrs import fbrs_hrnet
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=fbrs_hrnet(width=12, depth="tiny", ocr_width=24, click_radius=80, backbone_lr=1.0),
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
