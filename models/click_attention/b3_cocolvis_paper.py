"""ClickAttention with SegFormer-B3 on COCO+LVIS; the affinity multiplies the self-attention
(paper).

Paper:  arXiv 2408.06021; not published in this form
Run:    python train.py models/click_attention/b3_cocolvis_paper.py --gpus 0,1,2,3
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import cocolvis, training

from isegm.core.registry import spec
from isegm.methods.click_attention import click_attention
from isegm.training.experiment import Experiment
from isegm.training.users.restarting import Restarting

EXPERIMENT = Experiment(
    model=click_attention("b3", "paper"),
    **cocolvis(),
    user=spec(Restarting, max_rounds=3, restart=0.02),
    train=training(pretrained="SEGFORMER_B3"),
)
