"""RITM with HRNet-18-small-v2 + OCR on COCO instances, from scratch: what a CPU affords, on real
photographs.

Paper:  arXiv 2102.06583 (the method; the paper starts from ImageNet weights and trains 230 epochs
        of 30,000 crops of 320x480)
Run:    python train.py models/ritm/hrnet18s_coco.py --cpu --ngpus 2
Cost:   1200 steps, 45 minutes on two shared CPU cores
Result: ritm v1: GrabCut NoC@85 16.64, NoC@90 19.64; Berkeley 17.95 and 19.97. See
        docs/how-to/reproduce.md.

Clicks are distance maps at full strength, not RITM's faint disks: without pretrained weights those
are ignored for hundreds of steps (validation IoU 0.05 after 80 of them), see
models/ritm/tiny_synthetic.py.
"""

from __future__ import annotations

from shared import pair

from isegm.core.registry import spec
from isegm.data.augment import photographs
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.coco import coco_images
from isegm.methods.ritm import ritm_hrnet
from isegm.nn.clicks.fusion import Conv1S
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

MODEL = ritm_hrnet(
    width=18,
    depth="small",
    ocr_width=48,
    fusion=spec(Conv1S, in_channels=3, scale=1.0),
    click_map="distance",
    click_radius=100,
    backbone_lr=1.0,
)
# The first click in the middle of the object and not many others: the user adds corrections, as at
# test time.
CLICKS = spec(MultiPoint, max_clicks=12, gamma=0.8, merge_prob=0.15, first_click_center=True)
TRAIN, VAL = (spec(coco_images, split=split) for split in ("train2017", "val2017"))
ITEMS = {
    "augment": spec(photographs, crop=(256, 256)),
    "epoch_len": 800,
    "min_object_area": 500,
    "keep_background": 0.05,
}
SPEED = {"amp": "bf16", "channels_last": True, "workers": 1}
SCHEDULE = spec(MultiStep, at=(9, 11))
EXPERIMENT = Experiment(
    model=MODEL,
    **pair(TRAIN, VAL, CLICKS, ITEMS, {"epoch_len": 80}),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=12,
        batch_size=8,
        optimizer=spec(Adam, lr=2e-3),
        schedule=SCHEDULE,
        clip=5.0,
        ema=0.998,
        **SPEED,
    ),
)
