"""A variant of the starter: EfficientNet-Lite2 instead of -Lite0.

Paper:  none; see docs/explanation/methods/click_pyramid.md
Run:    python train.py models/starter/variant_lite2.py --cpu --ngpus 2
Cost:   see docs/explanation/methods/click_pyramid.md
Result: see docs/explanation/methods/click_pyramid.md
"""

from __future__ import annotations

from common import short

from isegm.methods.click_pyramid import click_pyramid

EXPERIMENT = short(
    click_pyramid("efficientnet_lite2", channels=(24, 48, 120, 208)),
    pretrained="EFFICIENTNET_LITE2",
)
