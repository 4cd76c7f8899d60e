"""A small FCFI on synthetic scenes: models/ritm/tiny_synthetic.py with feedback integration in
between, nothing else changed.

Paper:  Wei et al., CVPR 2023 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/fcfi/tiny_synthetic.py --cpu --ngpus 2
Check:  python scripts/evaluate_model.py NoBRS --checkpoint <run folder>/model.safetensors
        --datasets synthetic --protocol ritm
Cost:   600 steps, 16 minutes on two CPU cores that were busy with other work
Result: ritm v1, the first 30 objects of synthetic: NoC@85 9.07, NoC@90 13.47; RITM with the same
        training, of the same day, 8.77 and 12.20
"""

from __future__ import annotations

from shared import small_scenes

from isegm.core.registry import spec
from isegm.methods.fcfi import fcfi_hrnet
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.clicks.fusion import Conv1S
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=fcfi_hrnet(
        width=12,
        ocr_width=24,
        feedback_width=24,
        backbone=spec(HRNet, width=12, depth="tiny"),
        fusion=spec(Conv1S, in_channels=3, scale=1.0),
        click_map="distance",
        click_radius=80,
        lr={},
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
