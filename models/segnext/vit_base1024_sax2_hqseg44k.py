"""SegNext with ViT-B and two blocks after the prompts, fine-tuned on HQSeg-44K.

Paper:  arXiv 2404.00741; published as vitb_sa2_cocolvis_hq44k_epoch_0, the weights after the first
        of the script's 100 epochs
Needs:  the network trained on COCO+LVIS; HQSeg-44K's training parts (docs/reference/data.md)
Run:    python train.py models/segnext/vit_base1024_sax2_hqseg44k.py --gpus 0,1,2,3
        --weights segnext_vit_b_sax2_cocolvis --epochs 1
Cost:   not run here
Result: not run here

--weights also takes a run of models/segnext/vit_base1024_sax2_cocolvis.py.
"""

from __future__ import annotations

from common import SIDE, hqseg44k, training

from isegm.core.registry import spec
from isegm.methods.segnext import segnext
from isegm.training.experiment import Experiment
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=segnext("base", SIDE, sax=2),
    **hqseg44k(),
    user=spec(Iterative, max_rounds=3),
    train=training(batch_size=12, pretrained=None),
)
