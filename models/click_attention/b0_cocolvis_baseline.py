"""The baseline of ClickAttention with SegFormer-B0: no affinity at all, on smaller crops.

Paper:  arXiv 2408.06021, ablation, row B0-S2 baseline (DAVIS NoC@90 10.2); its script is not
        published, these are B3's settings
Run:    python train.py models/click_attention/b0_cocolvis_baseline.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import baseline_training, cocolvis

from isegm.core.registry import spec
from isegm.methods.click_attention import click_attention
from isegm.training.experiment import Experiment
from isegm.training.users.restarting import Restarting

EXPERIMENT = Experiment(
    model=click_attention("b0", stages=()),
    **cocolvis(crop=(256, 256)),
    user=spec(Restarting, max_rounds=3, restart=0.02),
    train=baseline_training(pretrained="SEGFORMER_B0"),
)
