"""The network of the starter, trained briefly: what its variants are compared with.

Paper:  none; see docs/explanation/methods/click_pyramid.md
Run:    python train.py models/starter/variant_one_pass.py --cpu --ngpus 2
Cost:   see docs/explanation/methods/click_pyramid.md
Result: see docs/explanation/methods/click_pyramid.md
"""

from __future__ import annotations

from common import short

from isegm.methods.click_pyramid import click_pyramid

EXPERIMENT = short(click_pyramid())
