"""ClickSEG's light baseline with PP-LCNet on COCO+LVIS mixed with sets of finer masks, three simulated corrections.

Paper:  the code of arXiv 2204.02574, which says NoC@90 1.66 (GrabCut), 1.99 (Berkeley), 6.74 (SBD), 5.34 (DAVIS)
Needs:  the data sets of recipes.comb, or some of them: --set data.shares=[0.35,0,0.1,0,0.1,0]
Run:    python train.py models/clickseg_baseline/pplcnet_comb.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data import recipes
from isegm.methods.clickseg_baseline import clickseg_baseline
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = clickseg_baseline("pplcnet")


def main(cfg: EasyDict) -> None:
    data = recipes.comb(cfg, **recipes.CLICKSEG_BASELINE, augmentation="aligned_wide")
    train = TrainConfig(epochs=230, batch_size=32, lr=5e-2, milestones=(190, 210), pretrained="PPLCNET_X1")
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
