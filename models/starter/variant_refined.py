"""A variant of the starter: FocalClick's local refiner after the pass.

Paper:  none; see docs/explanation/methods/click_pyramid.md
Run:    python train.py models/starter/variant_refined.py --cpu --ngpus 2
Cost:   see docs/explanation/methods/click_pyramid.md
Result: see docs/explanation/methods/click_pyramid.md
"""

from __future__ import annotations

from common import short

from isegm.core.registry import spec
from isegm.methods.focalclick import FocalClick
from isegm.nn.backbones.timm import TimmFeatures
from isegm.nn.clicks.fusion import Separate
from isegm.nn.heads.light_pyramid import LightPyramid
from isegm.nn.heads.refiner import LocalRefiner

WIDTH = 48  # of the pyramid's finest level
EXPERIMENT = short(
    spec(
        FocalClick,
        backbone=spec(
            TimmFeatures,
            name="efficientnet_lite0",
            levels=[1, 2, 3, 4],
            without=["blocks.6"],
            hidden=6,
        ),
        head=spec(LightPyramid, in_channels=[24, 40, 112, 192], widths=[WIDTH, 64, 64, 64]),
        fusion=spec(Separate, in_channels=3),
        refiner=spec(LocalRefiner, in_channels=WIDTH),
        lr={"backbone": 0.3},
    )
)
