"""A small EMC-Click on synthetic scenes, in minutes on two CPU cores and without any file.

Paper:  Du et al., CVPR 2023 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/emc_click/tiny_synthetic.py --cpu --ngpus 2
Check:  python scripts/evaluate_model.py EMC-Click --exp-path emc_click/tiny_synthetic/000
        --datasets synthetic --infer-size 256
Cost:   600 steps, 8 minutes on two CPU cores that were busy with other work
Result: emc_click v1 (whole.size=256), the first 30 objects of synthetic: NoC@85 5.17 (untrained
        20.00), NoC@90 8.90

Scenes and steps are those of models/ritm/tiny_synthetic.py; clicks are sampled as EMC-Click needs
them.
"""

from __future__ import annotations

from shared import small_scenes

from isegm.core.registry import spec
from isegm.methods.emc_click import emc_hrnet
from isegm.nn.clicks.fusion import Conv1S
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.patient import Patient

EXPERIMENT = Experiment(
    model=emc_hrnet(
        width=12,
        depth="tiny",
        ocr_width=24,
        refiner_width=32,
        fusion=spec(Conv1S, in_channels=1, scale=1.0),
        click_radius=8,
        backbone_lr=1.0,
    ),
    **small_scenes(max_clicks=2, gamma=0.0),
    user=spec(Patient, max_rounds=12, round_decay=0.8),
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
