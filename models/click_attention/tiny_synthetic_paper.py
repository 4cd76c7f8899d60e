"""A small ClickAttention on synthetic scenes, in minutes on a CPU: the affinity multiplies the
self-attention.

Paper:  arXiv 2408.06021 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/click_attention/tiny_synthetic_paper.py --cpu --ngpus 2
Cost:   800 steps, 10 minutes on one thread of a busy CPU
Result: click_attention v1 (zoom.size=[128, 128]), the first 30 objects of synthetic: NoC@85 3.40
        (untrained 20.00), NoC@90 6.93

The same as tiny_synthetic_none.py but for ``affinity_use``, to see what that does to NoC. Evaluate
at the size of training:
    python scripts/evaluate_model.py NoBRS --checkpoint RUN_FOLDER/model.safetensors --datasets
        synthetic --infer-size 128 --cpu
"""

from __future__ import annotations

from common import scenes, small_training

from isegm.core.registry import spec
from isegm.methods.click_attention import click_attention
from isegm.training.experiment import Experiment
from isegm.training.users.restarting import Restarting

EXPERIMENT = Experiment(
    model=click_attention("tiny", "paper", width=64, click_radius=8, backbone_lr=1.0),
    **scenes(),
    user=spec(Restarting, max_rounds=3, restart=0.02),
    train=small_training(),
)
