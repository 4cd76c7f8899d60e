"""Photographs that come with the package: 21 objects in 7 pictures, all public domain or CC0.

They show what a network does on real pictures without any download, and are far too few to compare
methods. Provenance, and how the masks were made: ``assets/photos/README.md``.
"""

from __future__ import annotations

from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import EvalDataset
from isegm.data.sources.folder import FolderEvaluation
from isegm.utils.config import repository_file

FOLDER = "assets/photos"


def photos(cfg: EasyDict) -> EvalDataset:
    """Open the set; ``cfg`` is not used.

    Raises:
        IsegmError: the files are not there.
    """
    masks = repository_file(f"{FOLDER}/masks")
    if not masks.is_dir():
        raise IsegmError(
            f"photos: there is no folder {masks}; reinstall isegm or restore the clone"
        )
    return FolderEvaluation(masks.parent, masks, "binary", "photos")


EVALUATION = {"photos": photos}
