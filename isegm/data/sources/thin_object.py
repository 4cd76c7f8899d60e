"""ThinObject-5K: cut-outs of thin and branching objects pasted on photographs (training).

Layout: ``<root>/images/*`` and ``<root>/masks/*``, the object above 128. Source: Liew et al.,
Deep Interactive Thin Object Selection, WACV 2021; read as in the code of arXiv 2204.02574.
"""

from __future__ import annotations

from pathlib import Path

from easydict import EasyDict

from isegm.data.pairs import MaskPairs, paired_by_stem
from isegm.data.places import require_path


def thin_object(root: Path) -> MaskPairs:
    """The images of both folders, sorted by name."""
    return MaskPairs(
        "ThinObject-5K", paired_by_stem("ThinObject-5K", root / "images", root / "masks")
    )


def thin_object_images(cfg: EasyDict) -> MaskPairs:
    """``thin_object`` at ``cfg.THINOBJECT_PATH``."""
    return thin_object(require_path(cfg, "THINOBJECT_PATH", "ThinObject-5K"))
