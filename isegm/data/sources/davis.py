"""DAVIS (345 video frames) and COCO_MVal (800 images): all objects of a frame merged into one.

Layout of both: ``img/*`` and ``gt/*``. Source: the Davis loader of arXiv 2102.06583. Two ground
truths of DAVIS circulate; the fingerprint tells them apart.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from easydict import EasyDict

from isegm.data.evaluation_sets import EvalDataset, PairedDataset, pair_files
from isegm.data.places import require_path
from isegm.data.reading import read_image


def read_gt(path: Path) -> np.ndarray:
    """``H W`` int8: 1 where any channel is above 0; nothing is ignored."""
    return (read_image(path).max(2) > 0).astype(np.int8)


def davis(cfg: EasyDict) -> EvalDataset:
    return _open(cfg, "DAVIS_PATH", "DAVIS")


def coco_mval(cfg: EasyDict) -> EvalDataset:
    return _open(cfg, "COCO_MVAL_PATH", "COCO_MVal")


def _open(cfg: EasyDict, key: str, name: str) -> EvalDataset:
    root = require_path(cfg, key, name)
    return PairedDataset(name, pair_files(name, root / "img", root / "gt"), read_gt)


EVALUATION = {"DAVIS": davis, "COCO_MVal": coco_mval}
