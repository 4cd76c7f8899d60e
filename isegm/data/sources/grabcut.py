"""GrabCut: 50 photographs with one object each and an unlabelled band around its border.

Layout: ``data_GT/*`` (images) and ``boundary_GT/*`` (masks). Source: the reading rule of the
GrabCut loader of arXiv 2102.06583.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from easydict import EasyDict

from isegm.core.samples import IGNORE
from isegm.data.evaluation_sets import EvalDataset, PairedDataset, pair_files
from isegm.data.places import require_path
from isegm.data.reading import read_mask


def read_gt(path: Path) -> np.ndarray:
    """``H W`` int8: 1 where the first channel is above 128, -1 (ignored) where it is 128, else
    0.
    """
    mask = read_mask(path)
    gt = (mask > 128).astype(np.int8)
    gt[mask == 128] = IGNORE
    return gt


def grabcut(cfg: EasyDict) -> EvalDataset:
    root = require_path(cfg, "GRABCUT_PATH", "GrabCut")
    return PairedDataset(
        "GrabCut", pair_files("GrabCut", root / "data_GT", root / "boundary_GT"), read_gt
    )


EVALUATION = {"GrabCut": grabcut}
