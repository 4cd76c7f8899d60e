"""A variant of the starter: FocalClick's local refiner after the pass.

Paper:  none; see docs/explanation/methods/click_pyramid.md
Run:    python train.py models/starter/variant_refined.py --cpu --ngpus 2
Cost:   see docs/explanation/methods/click_pyramid.md
Result: see docs/explanation/methods/click_pyramid.md
"""

from __future__ import annotations

from common import short

from isegm.core.registry import spec
from isegm.methods.click_pyramid import click_pyramid
from isegm.methods.focalclick import FocalClick
from isegm.nn.clicks.fusion import Separate
from isegm.nn.heads.light_pyramid import LightPyramid
from isegm.nn.heads.refiner import LocalRefiner

ONE_PASS = click_pyramid()["args"]
PYRAMID = {key: ONE_PASS["head"]["args"][key] for key in ("in_channels", "widths")}
EXPERIMENT = short(
    spec(
        FocalClick,
        backbone=ONE_PASS["backbone"],
        head=spec(LightPyramid, **PYRAMID),
        fusion=spec(Separate, in_channels=3),
        refiner=spec(LocalRefiner, in_channels=PYRAMID["widths"][0]),
        lr={"backbone": 0.3},
    )
)
