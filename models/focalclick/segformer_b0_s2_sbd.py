"""FocalClick with SegFormer-B0, S2 on SBD, three simulated corrections.

Paper:  arXiv 2204.02574; trained on two GPUs
Needs:  sbd_samples_weights.pkl in SBD_PATH (published with f-BRS and RITM), or --set data.sample_scores=null
Run:    python train.py models/focalclick/segformer_b0_s2_sbd.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.focalclick import focalclick_segformer
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = focalclick_segformer("b0", pipeline="s2")


def main(cfg: EasyDict) -> None:
    data = recipes.sbd(
        cfg, **recipes.FOCALCLICK, augmentation="aligned_colour", sample_scores="sbd_samples_weights.pkl", val_epoch_len=500
    )
    train = TrainConfig(epochs=230, batch_size=64, lr=5e-3, milestones=(190, 210), pretrained="SEGFORMER_B0")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
