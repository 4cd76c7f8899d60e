"""The quick start's RITM with iterative click loss: every answer of a rollout is learned from.

Paper:  CFR-ICL, arXiv 2303.05620 (the loss; network, data and schedule are not the paper's)
Run:    python train.py models/ritm/tiny_synthetic_icl.py --cpu --ngpus 2
Cost:   not run here in full
Result: not run here

Beside models/ritm/tiny_synthetic.py, of which only the loss differs. A step learns from 1 to 4
answers instead of 1, so it takes longer.
"""

from __future__ import annotations

from dataclasses import replace

from tiny_synthetic import EXPERIMENT as PLAIN

from isegm.core.registry import spec
from isegm.training.click_losses import IterativeClickLoss

LOSSES = spec(IterativeClickLoss, weights=(1, 2, 3))
EXPERIMENT = replace(PLAIN, train=replace(PLAIN.train, click_losses=LOSSES))
