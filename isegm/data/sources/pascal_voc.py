"""PASCAL VOC 2012 instance segmentation: the per-object evaluation set ``PascalVOC``, and images to
train on.

Layout: that of the official download, the folder VOC2012: ``JPEGImages/<name>.jpg``,
``SegmentationObject/<name>.png`` and ``ImageSets/Segmentation/{train,val}.txt`` with a name per
line. The index in the palette is the number of the object, 255 the band around objects, whose truth
is unknown.

# differs from the original: the code of arXiv 2102.06583 and its successors turns the palette into
gray levels first, where objects 1 and 16 (level 38), 3 and 18 (113), 6 and 21 (90), and 9 and 24
(57) become one. Its own list has 3,417 objects; there are 3,427, told apart as here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from easydict import EasyDict

from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data import reading
from isegm.data.cache import cache_folder
from isegm.data.evaluation_sets import EvalDataset
from isegm.data.labelled import Labelled, ObjectEvaluation, listed_names, read_labelled
from isegm.data.places import require_path
from isegm.data.reading import CorruptSample
from isegm.data.tables import Texts

VOID = 255
BORDER_GRAY = 220  # what OpenCV makes of colour 255 in gray


class PascalVocObjects:
    """Training source: the images of a split in the order of its list; the band around objects is
    ignored.

    Args:
        root: the folder that holds ``JPEGImages``, ``SegmentationObject`` and ``ImageSets``.
        split: ``"train"``, ``"val"`` or ``"trainval"``.

    Raises:
        IsegmError: files are missing, or the list is empty.
    """

    def __init__(self, root: Path, split: str) -> None:
        self._root = root
        self.names = Texts(list_names(root, split))

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        file = labelled(self._root, self.names[index])
        image, labels = read_labelled(file, read_labels)
        found = np.flatnonzero(np.bincount(labels.ravel(), minlength=VOID + 1))
        objects = {int(label) - 1: ObjectInfo(0, int(label)) for label in found if 0 < label < VOID}
        ignored = ((0, VOID),) if found[-1] == VOID else ()
        return InstanceSample(image, labels[:, :, None], objects, ignored, id=str(file.image))


def pascal_voc_images(cfg: EasyDict, split: str = "train") -> PascalVocObjects:
    """``PascalVocObjects`` at ``cfg.PASCALVOC_PATH``."""
    return PascalVocObjects(require_path(cfg, "PASCALVOC_PATH", "PASCAL VOC"), split)


def list_names(root: Path, split: str) -> list[str]:
    """The image names of a split, see ``listed_names``."""
    listing = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    folders = "JPEGImages/, SegmentationObject/ and ImageSets/"
    layout = f"{folders} in {root}, which is the folder VOC2012 of the download"
    return listed_names(
        "PASCAL VOC", listing, (root / "JPEGImages", root / "SegmentationObject"), layout
    )


def labelled(root: Path, name: str) -> Labelled:
    """The files of an image."""
    return Labelled(
        name, root / "JPEGImages" / f"{name}.jpg", root / "SegmentationObject" / f"{name}.png"
    )


def read_labels(path: Path) -> np.ndarray:
    """Read an annotation: ``H W`` uint8, 0 = background, objects 1, 2, ..., 255 = unknown.

    The indices of a palette image, the values of a gray one, or the colours of the standard palette
    in a colour image, which are all different.

    Raises:
        CorruptSample: the file cannot be read, holds colours that are not in the palette, or gray
            levels that the colours were turned into.
    """
    labels, has_palette = reading.read_labels(path)
    if labels.ndim == 3:
        return _by_colour(path, labels)
    if labels.dtype != np.uint8:
        raise CorruptSample(
            f"{path} is a 16 bit image; expected the 8 bit palette images of PASCAL VOC"
        )
    if not has_palette and (labels == BORDER_GRAY).any() and not (labels == VOID).any():
        raise CorruptSample(
            f"{path} seems to hold the palette turned to gray, in which objects share a level;"
            " use the palette images of PASCAL VOC"
        )
    return labels


def palette() -> np.ndarray:
    """The colours of VOC's palette, ``256 3`` uint8 RGB: the bits of an index dealt out to red,
    green and blue in turn.
    """
    index = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        channel, place = bit % 3, 7 - bit // 3
        colours[:, channel] |= (((index >> bit) & 1) << place).astype(np.uint8)
    return colours


def _by_colour(path: Path, pixels: np.ndarray) -> np.ndarray:
    weights = np.array([1 << 16, 1 << 8, 1])
    known = palette().astype(np.int64) @ weights
    order = np.argsort(known)
    codes = pixels.astype(np.int64) @ weights
    places = np.searchsorted(known[order], codes).clip(max=255)
    labels = order[places]
    if not (known[labels] == codes).all():
        raise CorruptSample(
            f"{path} is a colour image with other colours than those of PASCAL VOC's palette"
        )
    return labels.astype(np.uint8)


def pascal_voc(cfg: EasyDict) -> EvalDataset:
    """Every object of the 1,449 validation images."""
    root = require_path(cfg, "PASCALVOC_PATH", "PascalVOC")
    files = [labelled(root, name) for name in list_names(root, "val")]
    return ObjectEvaluation("PascalVOC", files, read_labels, VOID, cache_folder(cfg))


EVALUATION = {"PascalVOC": pascal_voc}
