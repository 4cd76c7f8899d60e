"""CDNet with ResNet-34 on COCO+LVIS: feature diffusion, diversified training, no simulated corrections.

Paper:  Chen et al., ICCV 2021; the version of ClickSEG's code (cdnet_res34_cclvs), published as CDNet R34 (C+L), two GPUs
Run:    python train.py models/cdnet/r34_cocolvis.py --gpus 0,1
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
    data = recipes.cocolvis(cfg, **recipes.CDNET, augmentation="aligned", stuff_prob=0.20)
    train = TrainConfig(epochs=120, batch_size=32, lr=5e-4, milestones=(80, 105), pretrained="RESNET34_V1B")
    Trainer(MODEL, data, ClickPolicy(max_rounds=0), train, cfg).fit()
