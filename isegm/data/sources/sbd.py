"""SBD, the Semantic Boundaries Dataset: objects to train on, and the per-object evaluation sets
``SBD`` and ``SBD_Train``.

Layout: that of the official download. ``img/<name>.jpg``, ``inst/<name>.mat``
(``GTinst.Segmentation``: 0 = background, objects 1, 2, ...), and ``train.txt`` and ``val.txt`` with
a name per line. Source: the SBD loaders of arXiv 2001.10331 and 2102.06583.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from easydict import EasyDict
from scipy.ndimage import find_objects

from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.cache import cache_folder
from isegm.data.evaluation_sets import EvalDataset
from isegm.data.labelled import Labelled, ObjectEvaluation, listed_names, read_labelled
from isegm.data.matlab import label_maps
from isegm.data.places import require_path
from isegm.data.tables import Texts

LEAST_FILL = 0.08


class SbdObjects:
    """Training source: the images of a split in the order of its list.

    Objects that cover less than ``least_fill`` of their own bounding box are erased: they are
    faulty annotations, scattered pixels for the most part.

    Args:
        root: the folder that holds ``img``, ``inst`` and the lists.
        split: ``"train"`` or ``"val"``.
        least_fill: published: 0.08; 0 keeps every object.

    Raises:
        IsegmError: files are missing, or the list is empty.
    """

    def __init__(self, root: Path, split: str, least_fill: float = LEAST_FILL) -> None:
        self._root, self._least_fill = root, least_fill
        self.names = Texts(list_names(root, split))

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        file = labelled(self._root, self.names[index])
        image, labels = read_labelled(file, read_labels)
        objects = {}
        for label, place in enumerate(find_objects(labels), start=1):
            if place is None:
                continue
            inside = labels[place] == label
            if inside.mean() < self._least_fill:
                labels[place][inside] = 0
            else:
                objects[label - 1] = ObjectInfo(0, label)
        return InstanceSample(image, labels[:, :, None], objects, id=str(file.image))


class SbdEvaluation(ObjectEvaluation):
    """One sample per object, as ``ObjectEvaluation`` has them. No object is left out.

    Args:
        name, cache: as ``ObjectEvaluation``.
        root, split: as ``SbdObjects``.
    """

    def __init__(self, name: str, root: Path, split: str, cache: Path | None = None) -> None:
        super().__init__(
            name,
            [labelled(root, image) for image in list_names(root, split)],
            read_labels,
            cache=cache,
        )


def sbd_images(cfg: EasyDict, split: str = "train", least_fill: float = LEAST_FILL) -> SbdObjects:
    """``SbdObjects`` at ``cfg.SBD_PATH``."""
    return SbdObjects(require_path(cfg, "SBD_PATH", "SBD"), split, least_fill)


def list_names(root: Path, split: str) -> list[str]:
    """The image names of a split, see ``listed_names``."""
    listing = root / f"{split}.txt"
    return listed_names(
        "SBD", listing, (root / "img", root / "inst"), f"img/, inst/ and {listing.name} in {root}"
    )


def labelled(root: Path, name: str) -> Labelled:
    """The files of an image."""
    return Labelled(name, root / "img" / f"{name}.jpg", root / "inst" / f"{name}.mat")


def read_labels(path: Path) -> np.ndarray:
    """Read an annotation: ``H W`` uint8, 0 = background, objects 1, 2, ...

    Raises:
        CorruptSample: the file is missing, damaged, or no SBD annotation.
    """
    what = "SBD, GTinst.Segmentation"
    return label_maps(path, what, "GTinst", lambda found: [found["Segmentation"][0, 0]])[0]


def sbd(cfg: EasyDict) -> EvalDataset:
    """6,671 objects in 2,857 images, the set that papers call SBD."""
    return _open(cfg, "SBD", "val")


def sbd_train(cfg: EasyDict) -> EvalDataset:
    """20,172 objects in the 8,498 training images."""
    return _open(cfg, "SBD_Train", "train")


EVALUATION = {"SBD": sbd, "SBD_Train": sbd_train}


def _open(cfg: EasyDict, name: str, split: str) -> EvalDataset:
    return SbdEvaluation(name, require_path(cfg, "SBD_PATH", name), split, cache_folder(cfg))
