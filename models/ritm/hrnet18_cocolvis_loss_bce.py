"""RITM's loss ablation: binary cross-entropy on the answer; HRNet-18 + OCR on COCO+LVIS, no previous mask.

Paper:  arXiv 2102.06583, ablation of losses; script cocolvis_loss_ablation/hrnet18_ocr64_bce, no weights published.
        All its other scripts train with the normalized focal loss instead.
Run:    python train.py models/ritm/hrnet18_cocolvis_loss_bce.py --gpus 0,1
Cost:   not run here
Result: not run here

hrnet18_cocolvis_loss_bce, _focal, _nfl and _soft_iou differ in this loss alone; the first guess always learns by cross-entropy.
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.core.registry import spec
from isegm.data import recipes
from isegm.methods.ritm import ritm_hrnet, with_loss
from isegm.nn.losses.bce import SigmoidBCE
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = with_loss(ritm_hrnet(width=18, depth="full", ocr_width=64, prev_mask=False), spec(SigmoidBCE))


def main(cfg: EasyDict) -> None:
    data = recipes.cocolvis(cfg, **recipes.SMALL_OBJECTS)
    train = TrainConfig(epochs=160, batch_size=28, lr=5e-4, milestones=(140, 155), pretrained="HRNETV2_W18")
    Trainer(MODEL, data, ClickPolicy(max_rounds=0), train, cfg).fit()
