"""RITM with HRNet-18-small-v2 + OCR on COCO instances, from scratch: what a CPU affords, on real photographs.

Paper:  arXiv 2102.06583 (the method; the paper starts from ImageNet weights and trains 230 epochs of 30,000 crops of 320x480)
Run:    python train.py models/ritm/hrnet18s_coco.py --cpu --ngpus 2
Cost:   1200 steps, 45 minutes on two shared CPU cores
Result: ritm v1: GrabCut NoC@85 16.64, NoC@90 19.64; Berkeley 17.95 and 19.97. See docs/reproduce.md.

Clicks are distance maps at full strength, not RITM's faint disks: without pretrained weights those are ignored for hundreds of
steps (validation IoU 0.05 after 80 of them), see models/ritm/tiny_synthetic.py.
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.core.registry import spec
from isegm.data import recipes
from isegm.methods.ritm import ritm_hrnet
from isegm.nn.clicks.fusion import Conv1S
from isegm.training.config import TrainConfig
from isegm.training.rollout import ClickPolicy
from isegm.training.trainer import Trainer

# Nothing is pretrained, so the backbone learns at the full rate.
MODEL = ritm_hrnet(
    width=18,
    depth="small",
    ocr_width=48,
    fusion=spec(Conv1S, in_channels=3, scale=1.0),
    click_map="distance",
    click_radius=100,
    backbone_lr=1.0,
)


def main(cfg: EasyDict) -> None:
    # The first click in the middle of the object and not many others: the rollout adds corrections, as at test time.
    clicks = {"max_clicks": 12, "gamma": 0.8, "first_click_center": True}
    data = recipes.coco(cfg, crop=(256, 256), min_object_area=500, epoch_len=800, val_epoch_len=80, **clicks)
    schedule = {"epochs": 12, "batch_size": 8, "lr": 2e-3, "milestones": (9, 11)}
    train = TrainConfig(**schedule, clip=5.0, ema=0.998, amp="bf16", channels_last=True, workers=1)
    Trainer(MODEL, data, ClickPolicy(max_rounds=3), train, cfg).fit()
