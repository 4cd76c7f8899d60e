"""A variant of the starter: clicks are disks of radius 10 instead of 5.

Paper:  none; see docs/explanation/methods/click_pyramid.md
Run:    python train.py models/starter/variant_large_disks.py --cpu --ngpus 2
Cost:   see docs/explanation/methods/click_pyramid.md
Result: see docs/explanation/methods/click_pyramid.md
"""

from __future__ import annotations

from common import short

from isegm.methods.click_pyramid import click_pyramid

EXPERIMENT = short(click_pyramid(click_radius=10))
