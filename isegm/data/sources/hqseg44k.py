"""HQSeg-44K: photographs with one finely cut object each. 1,537 for validation, in four parts that
are evaluation sets of their own, too, and 44,320 to train on, in seven.

Layout, as SAM-HQ (arXiv 2306.01567) offers it, images ``*.jpg`` and masks ``*.png`` of the same
name. Validation:

* ``DIS5K_VD``, 470: ``DIS5K/DIS-VD/im`` and ``gt``
* ``ThinObject5K_TE``, 500: ``thin_object_detection/ThinObject5K/images_test`` and ``masks_test``
* ``COIFT``, 280: ``thin_object_detection/COIFT/images`` and ``masks``
* ``HRSOD``, 287: ``thin_object_detection/HRSOD/images`` and ``masks_max255``

Training:

* ``DIS5K-TR``: ``DIS5K/DIS-TR/im`` and ``gt``
* ``ThinObject5K-TR``: ``thin_object_detection/ThinObject5K/images_train`` and ``masks_train``
* ``FSS``, ``DUTS-TR``, ``DUTS-TE``, ``ECSSD``, ``MSRA10K``: ``cascade_psp/fss_all``, ``DUTS-TR``,
  ``DUTS-TE``, ``ecssd``, ``MSRA_10K``, images and masks in one folder

The object is where the mask is above 0: in any channel for evaluation; masks to train on are gray,
and their first channel is read. Layout, order and reading rule are those of
SegNext's loader (arXiv 2404.00741).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from easydict import EasyDict

from isegm.core.errors import IsegmError, unknown
from isegm.data.evaluation_sets import EvalDataset, Pair, PairedDataset
from isegm.data.pairs import MaskPairs
from isegm.data.places import require_path
from isegm.data.reading import list_images
from isegm.data.sources.davis import read_gt

THIN = "thin_object_detection"
PARTS = {
    "DIS5K_VD": ("DIS5K/DIS-VD/im", "DIS5K/DIS-VD/gt"),
    "ThinObject5K_TE": (f"{THIN}/ThinObject5K/images_test", f"{THIN}/ThinObject5K/masks_test"),
    "COIFT": (f"{THIN}/COIFT/images", f"{THIN}/COIFT/masks"),
    "HRSOD": (f"{THIN}/HRSOD/images", f"{THIN}/HRSOD/masks_max255"),
}
TRAINING = {
    "DIS5K-TR": ("DIS5K/DIS-TR/im", "DIS5K/DIS-TR/gt"),
    "ThinObject5K-TR": (f"{THIN}/ThinObject5K/images_train", f"{THIN}/ThinObject5K/masks_train"),
} | {
    name: (f"cascade_psp/{folder}",) * 2
    for name, folder in (
        ("FSS", "fss_all"),
        ("DUTS-TR", "DUTS-TR"),
        ("DUTS-TE", "DUTS-TE"),
        ("ECSSD", "ecssd"),
        ("MSRA10K", "MSRA_10K"),
    )
}
SPLITS = {"train": TRAINING, "val": PARTS}


def hqseg44k(cfg: EasyDict) -> EvalDataset:
    """All four parts, one after the other; a sample is called ``<part>/<name>``."""
    root = require_path(cfg, "HQSEG44K_PATH", "HQSeg44K")
    pairs = [
        pair._replace(id=f"{part}/{pair.id}") for part in PARTS for pair in part_pairs(root, part)
    ]
    return PairedDataset("HQSeg44K", pairs, read_gt)


def hqseg44k_part(part: str, cfg: EasyDict) -> EvalDataset:
    root = require_path(cfg, "HQSEG44K_PATH", part)
    return PairedDataset(part, part_pairs(root, part), read_gt)


EVALUATION = {"HQSeg44K": hqseg44k} | {part: partial(hqseg44k_part, part) for part in PARTS}


def hqseg44k_objects(root: Path, split: str) -> MaskPairs:
    """All parts of the split "train" or "val" in a folder, to train on.

    Raises:
        IsegmError: another split, or as ``part_pairs``.
    """
    if split not in SPLITS:
        raise unknown("split of HQSeg-44K", split, SPLITS)
    pairs = [pair for part in SPLITS[split] for pair in part_pairs(root, part)]
    return MaskPairs(f"HQSeg44K {split}", [(pair.image, pair.mask) for pair in pairs], above=0)


def hqseg44k_images(cfg: EasyDict, split: str = "train") -> MaskPairs:
    """``hqseg44k_objects`` at ``cfg.HQSEG44K_PATH``."""
    return hqseg44k_objects(require_path(cfg, "HQSEG44K_PATH", "HQSeg44K"), split)


def part_pairs(root: Path, part: str) -> list[Pair]:
    """The files of a part of either split, sorted by name.

    In an id ``#``, of which DIS5K's file names are full, becomes ``_``: elsewhere ``#3`` is the
    third object of an image.

    Raises:
        IsegmError: a folder is missing or holds no ``.jpg``, or an image has no mask.
    """
    image_dir, mask_dir = (root / folder for folder in (PARTS | TRAINING)[part])
    images = [path for path in list_images(image_dir, part) if path.suffix == ".jpg"]
    if not images:
        raise IsegmError(f"{part}: {image_dir} holds no .jpg file")
    pairs = [
        Pair(path.stem.replace("#", "_"), path, mask_dir / f"{path.stem}.png") for path in images
    ]
    missing = [pair.mask.name for pair in pairs if not pair.mask.is_file()]
    if missing:
        raise IsegmError(
            f"{part}: {len(missing)} of {len(pairs)} images have no mask in {mask_dir}, the first"
            f" that is missing being {missing[0]}"
        )
    return pairs
