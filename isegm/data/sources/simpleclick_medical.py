"""Medical slices that SimpleClick (arXiv 2210.11006) evaluates on, in the layouts that its loaders
read: ssTEM, BraTS and OAIZIB.

* ``ssTEM``: ``raw/*.tif`` and ``mitochondria/*.png``; every 4-connected piece of what is above 0 in
  the first channel of a mask is an object, numbered in row order.
* ``BraTS``: ``image/*.png`` and ``annotation/*.png``; one object, above 0 in the first channel.
* ``OAIZIB``: ``test/image/*.png`` and ``test/annotations/*.png``; every number above 0 in the first
  channel is an object.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from easydict import EasyDict
from scipy import ndimage

from isegm.data.cache import cache_folder
from isegm.data.evaluation_sets import EvalDataset, PairedDataset, pair_files
from isegm.data.labelled import Labelled, ObjectEvaluation
from isegm.data.places import require_path
from isegm.data.reading import read_mask


def pieces(path: Path) -> np.ndarray:
    """``H W`` int32: the pieces of what is above 0, numbered from 1."""
    return ndimage.label(read_mask(path) > 0)[0]


def read_gt(path: Path) -> np.ndarray:
    """``H W`` int8: 1 where the first channel is above 0, else 0; nothing is ignored."""
    return (read_mask(path) > 0).astype(np.int8)


def brats(cfg: EasyDict) -> EvalDataset:
    root = require_path(cfg, "BRATS_PATH", "BraTS")
    return PairedDataset("BraTS", pair_files("BraTS", root / "image", root / "annotation"), read_gt)


def sstem(cfg: EasyDict) -> EvalDataset:
    root = require_path(cfg, "SSTEM_PATH", "ssTEM")
    return _by_object("ssTEM", root / "raw", root / "mitochondria", pieces, cfg)


def oaizib(cfg: EasyDict) -> EvalDataset:
    root = require_path(cfg, "OAIZIB_PATH", "OAIZIB") / "test"
    return _by_object("OAIZIB", root / "image", root / "annotations", read_mask, cfg)


EVALUATION = {"ssTEM": sstem, "BraTS": brats, "OAIZIB": oaizib}


def _by_object(
    name: str,
    image_dir: Path,
    mask_dir: Path,
    read_labels: Callable[[Path], np.ndarray],
    cfg: EasyDict,
) -> EvalDataset:
    files = [Labelled(*pair) for pair in pair_files(name, image_dir, mask_dir)]
    return ObjectEvaluation(name, files, read_labels, cache=cache_folder(cfg))
