"""A small FCFI on synthetic scenes: models/ritm/tiny_synthetic.py with feedback integration in between, nothing else changed.

Paper:  Wei et al., CVPR 2023 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/fcfi/tiny_synthetic.py --cpu --ngpus 2
Check:  python scripts/evaluate_model.py NoBRS --checkpoint <run folder>/model.safetensors --datasets synthetic --protocol ritm
Cost:   600 steps, 16 minutes on two CPU cores that were busy with other work
Result: ritm v1, the first 30 objects of synthetic: NoC@85 9.07, NoC@90 13.47; RITM with the same training 8.77 and 12.20
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.core.registry import spec
from isegm.data import recipes
from isegm.methods.fcfi import fcfi_hrnet
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.clicks.fusion import Conv1S
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

MODEL = fcfi_hrnet(
    width=12,
    ocr_width=24,
    feedback_width=24,
    backbone=spec(HRNet, width=12, depth="tiny"),
    fusion=spec(Conv1S, in_channels=3, scale=1.0),
    click_map="distance",
    click_radius=80,
    lr={},
)


def main(cfg: EasyDict) -> None:
    # Of models/ritm/tiny_synthetic.py: change both or neither.
    data = recipes.synthetic(cfg, **recipes.SMALL_SCENES)
    train = TrainConfig(epochs=6, batch_size=8, lr=3e-3, milestones=(4, 5), ema=0.99, amp="auto", channels_last=True)
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
