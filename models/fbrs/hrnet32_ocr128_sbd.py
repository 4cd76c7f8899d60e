"""f-BRS: HRNet-32 + OCR (128 channels) on SBD.

Paper:  arXiv 2001.10331; published as hrnet32_ocr128_sbd
        # differs from the original: clicks are drawn by RITM's sampler, which treats merged objects and negatives differently.
Needs:  sbd_samples_weights.pkl in SBD_PATH (published with f-BRS and RITM), or --set data.sample_scores=null
Run:    python train.py models/fbrs/hrnet32_ocr128_sbd.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.fbrs import fbrs_hrnet
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = fbrs_hrnet(width=32, depth="full", ocr_width=128)


def main(cfg: EasyDict) -> None:
    data = recipes.sbd(
        cfg,
        crop=(320, 480),
        max_clicks=10,
        gamma=0.7,
        merge_objects=0.15,
        sample_scores="sbd_samples_weights.pkl",
        val_augmentation="val_sbd",
    )
    train = TrainConfig(epochs=120, batch_size=32, lr=5e-4, milestones=(100,), pretrained="HRNETV2_W32")
    Trainer(MODEL, data, ClickPolicy(max_rounds=0), train, cfg).fit()
