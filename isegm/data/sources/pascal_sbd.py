"""Augmented PASCAL VOC: the objects of VOC 2012 and of SBD together, one at a time.

Two layouts. ``downloads``: the official VOC2012 and SBD folders; the training images of VOC, and
every image of SBD that is neither one of these nor a validation image of VOC. ``png``: that of the
code of "First Click Attention" (CVPR 2020), ``img/<id>.*``, a mask of its own for every object in
``gt/<id>#<number>.png`` with 1 = object, and ``list/train.txt`` with ``<id>#<number>`` in every
line.

In both, whatever is not the object is background, VOC's band of unknown truth too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError, unknown
from isegm.data.cache import cache_folder
from isegm.data.evaluation_sets import stem
from isegm.data.labelled import UNREADABLE, Labelled, OneByOne, object_index
from isegm.data.places import require_path
from isegm.data.reading import list_images
from isegm.data.sources import pascal_voc, sbd


def read_labels(path: Path) -> np.ndarray:
    """Read an annotation of VOC or SBD."""
    return sbd.read_labels(path) if path.suffix == ".mat" else pascal_voc.read_labels(path)


def from_downloads(voc: Path, sbd_root: Path, cache: Path | None = None) -> OneByOne:
    """Every object of the official downloads.

    Objects of one pixel or of scattered pixels are kept; files that cannot be read are left out.

    Raises:
        IsegmError: files are missing.
    """
    own, held_out = pascal_voc.list_names(voc, "train"), set(pascal_voc.list_names(voc, "val"))
    files = [pascal_voc.labelled(voc, name) for name in own]
    taken = held_out | set(own)
    more = dict.fromkeys(sbd.list_names(sbd_root, "train") + sbd.list_names(sbd_root, "val"))
    files += [sbd.labelled(sbd_root, name) for name in more if name not in taken]
    return objects_of("pascal_sbd", files, cache)


def validation(voc: Path, cache: Path | None = None) -> OneByOne:
    """Every object of VOC's validation images."""
    names = pascal_voc.list_names(voc, "val")
    return objects_of("pascal_voc_val", [pascal_voc.labelled(voc, name) for name in names], cache)


def objects_of(name: str, files: list[Labelled], cache: Path | None) -> OneByOne:
    """Every object of some annotated images."""
    index = object_index(name, [file.labels for file in files], read_labels, pascal_voc.VOID, cache)
    pairs = [
        (file, label)
        for file, labels in zip(files, index, strict=True)
        for label in labels
        if label != UNREADABLE
    ]
    return OneByOne(name, pairs, read_labels)


def from_png(root: Path, split: str = "train") -> OneByOne:
    """The objects that ``list/<split>.txt`` names, in its order; an object listed twice comes once.

    Raises:
        IsegmError: a folder or the list is missing, or a line of it has no image or no mask.
    """
    path = root / "list" / f"{split}.txt"
    if not path.is_file():
        raise IsegmError(
            f"augmented PASCAL VOC: there is no {path}; expected img/, gt/ and list/{split}.txt in"
            f" {root}"
        )
    images = {stem(image): image for image in list_images(root / "img", "augmented PASCAL VOC")}
    masks = {mask.stem: mask for mask in list_images(root / "gt", "augmented PASCAL VOC")}
    objects = []
    for line in dict.fromkeys(path.read_text().split()):
        id_ = line.removesuffix(".png")
        image, mask = images.get(id_.partition("#")[0]), masks.get(id_)
        if image is None or mask is None:
            raise IsegmError(
                f"{path} names {line!r}, which has no"
                f" {'image in img/' if image is None else 'mask in gt/'}"
            )
        objects.append((Labelled(id_, image, mask), 1))
    return OneByOne(f"{root.name}/{split}", objects, read_labels)


def pascal_sbd_objects(cfg: EasyDict, split: str = "train") -> OneByOne:
    """Every object of the downloads at ``cfg.PASCALVOC_PATH`` and ``cfg.SBD_PATH``; "val" is of
    VOC's validation images.

    Raises:
        IsegmError: another split, or files are missing.
    """
    if split not in ("train", "val"):
        raise unknown("split of augmented PASCAL VOC", split, ("train", "val"))
    voc, cache = require_path(cfg, "PASCALVOC_PATH", "PASCAL VOC"), cache_folder(cfg)
    return (
        validation(voc, cache)
        if split == "val"
        else from_downloads(voc, require_path(cfg, "SBD_PATH", "SBD"), cache)
    )


def pascal_sbd_masks(cfg: EasyDict, split: str = "train") -> OneByOne:
    """The objects of a list in the layout ``png`` at ``cfg.PASCAL_SBD_PATH``."""
    return from_png(require_path(cfg, "PASCAL_SBD_PATH", "augmented PASCAL VOC"), split)
