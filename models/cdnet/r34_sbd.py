"""CDNet with ResNet-34 on SBD: feature diffusion, diversified training, no simulated corrections.

Paper:  Chen et al., ICCV 2021; the version of ClickSEG's code (cdnet_res34_sbd), published as CDNet R34 (SBD), two GPUs
Needs:  sbd_samples_weights.pkl in SBD_PATH (published with f-BRS and RITM), or --set data.sample_scores=null
Run:    python train.py models/cdnet/r34_sbd.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.cdnet import cdnet
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = cdnet(layers=34, width=128)


def main(cfg: EasyDict) -> None:
    data = recipes.sbd(
        cfg, **recipes.CDNET, augmentation="aligned_colour", sample_scores="sbd_samples_weights.pkl", val_epoch_len=500
    )
    train = TrainConfig(epochs=120, batch_size=32, lr=5e-4, milestones=(80, 105), pretrained="RESNET34_V1B")
    Trainer(MODEL, data, ClickPolicy(max_rounds=0), train, cfg).fit()
