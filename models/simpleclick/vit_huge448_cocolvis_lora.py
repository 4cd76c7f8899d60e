"""SimpleClick with ViT-H on COCO+LVIS for one GPU: LoRA on a frozen backbone, activation
checkpointing, bf16.

Paper:  none; the network is that of arXiv 2210.11006, LoRA that of arXiv 2106.09685
Needs:  MAE's weights, see PRETRAINED in config.yml; or start from a trained network: --weights
Run:    python train.py models/simpleclick/vit_huge448_cocolvis_lora.py --gpus 0
Cost:   not run here
Result: not run here

The input for clicks, the pyramid and the head learn as usual. The run's model.safetensors holds
plain weights, with LoRA's changes merged.
"""

from __future__ import annotations

from common import cocolvis

from isegm.core.registry import spec
from isegm.methods.simpleclick import simpleclick
from isegm.training.adaptation import LoRA
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import AdamW, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=simpleclick("huge", 448),
    **cocolvis(448),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=20,
        batch_size=32,
        micro_batch=4,
        optimizer=spec(AdamW, lr=2e-4),
        schedule=spec(MultiStep, at=(16, 19)),
        adapt=spec(LoRA, rank=8),
        activation_checkpointing=True,
        amp="bf16",
        pretrained="MAE_HUGE",
    ),
)
