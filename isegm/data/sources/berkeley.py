"""Berkeley: 100 objects in 96 photographs; an image with two objects stands there twice under two
names.

Layout: ``images/*`` and ``masks/*``, masks read as those of GrabCut. Source: the Berkeley loader of
arXiv 2102.06583.
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.data.evaluation_sets import EvalDataset, PairedDataset, pair_files
from isegm.data.places import require_path
from isegm.data.sources.grabcut import read_gt


def berkeley(cfg: EasyDict) -> EvalDataset:
    root = require_path(cfg, "BERKELEY_PATH", "Berkeley")
    return PairedDataset(
        "Berkeley", pair_files("Berkeley", root / "images", root / "masks"), read_gt
    )


EVALUATION = {"Berkeley": berkeley}
