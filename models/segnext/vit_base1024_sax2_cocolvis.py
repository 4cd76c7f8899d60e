"""SegNext with ViT-B and two blocks after the prompts on COCO+LVIS, whole images at 1024 x 1024.

Paper:  arXiv 2404.00741; published as vitb_sa2_cocolvis_epoch_90, the weights after epoch 90
Needs:  MAE's weights, see PRETRAINED in config.yml
Run:    python train.py models/segnext/vit_base1024_sax2_cocolvis.py --gpus 0,1,2,3
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import SIDE, cocolvis, training

from isegm.core.registry import spec
from isegm.methods.segnext import segnext
from isegm.training.experiment import Experiment
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=segnext("base", SIDE, sax=2),
    **cocolvis(),
    user=spec(Iterative, max_rounds=3),
    train=training(batch_size=16),
)
