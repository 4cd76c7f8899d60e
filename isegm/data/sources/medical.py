"""Organs in slices of CT and MRI volumes, as ``isegm extract-slices`` writes them.

Layout: ``images/*`` and ``masks/*``, matched by stem; a mask is above 128 on the object. Folders of
JPEG masks made by the medical fork of another code base have the same layout and can be read, but
compression has damaged the masks: see docs/how-to/medical.md.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import EvalDataset, PairedDataset, pair_files
from isegm.data.medical.organs import ORGANS
from isegm.data.medical.slices import read_sidecars
from isegm.data.places import require_path
from isegm.data.reading import read_mask


def read_gt(path: Path) -> np.ndarray:
    """``H W`` int8: 1 where the mask is above 128, else 0; nothing is ignored."""
    return (read_mask(path) > 128).astype(np.int8)


def organ_slices(organ: str, cfg: EasyDict) -> EvalDataset:
    root = require_path(cfg, f"{organ.upper()}_PATH", organ)
    pairs = pair_files(organ, root / "images", root / "masks")
    if (root / "volumes").is_dir():
        others = {sidecar.settings.organ for sidecar in read_sidecars(root)} - {organ}
        if others:
            raise IsegmError(
                f"{organ}: {root} holds slices of {', '.join(sorted(others))}; extract each organ"
                " to its own folder"
            )
    return PairedDataset(organ, pairs, read_gt)


EVALUATION = {organ: partial(organ_slices, organ) for organ in ORGANS}
