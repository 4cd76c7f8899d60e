"""HFlickr, a part of iHarmony4: photographs with carefully cut foregrounds, one mask file for each
(training).

Layout: ``<root>/real_images/<name>.jpg`` and ``<root>/masks/<name>_<number>.png``, the object above
128. Source: arXiv 1911.13239; read as in the code of arXiv 2204.02574.
"""

from __future__ import annotations

from pathlib import Path

from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import stem
from isegm.data.pairs import MaskPairs
from isegm.data.places import require_path
from isegm.data.reading import list_images


def hflickr(root: Path) -> MaskPairs:
    """One sample per mask, sorted by the mask's name.

    Raises:
        IsegmError: a folder is missing or empty, a mask has no image.
    """
    images = {stem(p): p for p in list_images(root / "real_images", "HFlickr")}
    masks = list_images(root / "masks", "HFlickr")
    orphans = [p.name for p in masks if stem(p).rpartition("_")[0] not in images]
    if orphans:
        raise IsegmError(
            f"HFlickr: {len(orphans)} of {len(masks)} masks have no image in"
            f" {root / 'real_images'}, e.g. {orphans[0]};"
            " expected masks called <image>_<number>.png"
        )
    return MaskPairs("HFlickr", ((images[stem(p).rpartition("_")[0]], p) for p in masks))


def hflickr_images(cfg: EasyDict) -> MaskPairs:
    """``hflickr`` at ``cfg.HFLICKR_PATH``."""
    return hflickr(require_path(cfg, "HFLICKR_PATH", "HFlickr"))
