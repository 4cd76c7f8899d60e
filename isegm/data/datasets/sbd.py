"""SBD, the Semantic Boundaries Dataset: objects to train on, and the per-object evaluation sets ``SBD`` and ``SBD_Train``.

Layout: that of the official download. ``img/<name>.jpg``, ``inst/<name>.mat`` (``GTinst.Segmentation``: 0 = background, objects
1, 2, ...), and ``train.txt`` and ``val.txt`` with a name per line. Source: the SBD loaders of f-BRS and RITM.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.io
from easydict import EasyDict
from scipy.ndimage import find_objects

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo, Sample
from isegm.data.evaluation_sets import EvalDataset, files_fingerprint
from isegm.data.reading import CorruptSample, check_size, read_image
from isegm.data.tables import Texts
from isegm.utils.config import absolute, require_path
from isegm.utils.files import replacing

log = logging.getLogger("isegm")

LEAST_FILL = 0.08
UNREADABLE = -1  # stands in an index for the objects of an image that cannot be read


class SbdObjects:
    """Training source: the images of a split in the order of its list.

    Objects that cover less than ``least_fill`` of their own bounding box are erased: they are faulty annotations, scattered
    pixels for the most part.

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
        image, labels = _read(self._root, self.names[index])
        objects = {}
        for label, place in enumerate(find_objects(labels), start=1):
            if place is None:
                continue
            inside = labels[place] == label
            if inside.mean() < self._least_fill:
                labels[place][inside] = 0
            else:
                objects[label - 1] = ObjectInfo(0, label)
        return InstanceSample(image, labels[:, :, None], objects, id=str(_image_path(self._root, self.names[index])))


class SbdEvaluation(EvalDataset):
    """One sample per object: images in the order of their list, the objects of an image by number. No object is left out.

    Args:
        name: what tables call it.
        root, split: as ``SbdObjects``.
        cache: a folder to keep the list of objects in, so that only the first use reads all annotations; None reads them
            every time. Nothing is ever written beside the data.
    """

    def __init__(self, name: str, root: Path, split: str, cache: Path | None = None) -> None:
        self.name = name
        self._root = root
        names = list_names(root, split)
        objects = object_index(root, names, cache)
        self._samples = [(image, label) for image, labels in zip(names, objects, strict=True) for label in labels]
        if not self._samples:
            raise IsegmError(f"{name}: no file that {root / f'{split}.txt'} lists holds an object")

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        name, label = self._samples[index]
        image, labels = _read(self._root, name)
        if label == UNREADABLE:
            raise CorruptSample(f"{_label_path(self._root, name)} could not be read when its objects were counted")
        gt = (labels == label).astype(np.int8)
        if not gt.any():
            raise CorruptSample(f"{_label_path(self._root, name)} no longer holds object {label}")
        return Sample(image, gt, self.ids()[index])

    def ids(self) -> list[str]:
        return self._ids

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _ids(self) -> list[str]:
        return [f"{name}_{'unreadable' if label == UNREADABLE else label}" for name, label in self._samples]

    @cached_property
    def _fingerprint(self) -> str:
        names = list(dict.fromkeys(name for name, _ in self._samples))
        images, masks = ([path(self._root, name) for name in names] for path in (_image_path, _label_path))
        return files_fingerprint(self.ids(), images, masks)


def list_names(root: Path, split: str) -> list[str]:
    """The image names of a split.

    Raises:
        IsegmError: a folder or the list is missing, or the list is empty.
    """
    path = root / f"{split}.txt"
    for needed in (root / "img", root / "inst", path):
        if not needed.exists():
            raise IsegmError(f"SBD: {needed} does not exist; expected img/, inst/ and {path.name} in {root}")
    names = path.read_text().split()
    if not names:
        raise IsegmError(f"SBD: {path} is empty; expected one image name per line")
    return names


def object_index(root: Path, names: Sequence[str], cache: Path | None) -> list[list[int]]:
    """The numbers of the objects of every image; ``[UNREADABLE]`` where the annotation cannot be read.

    A cached index counts only if names, sizes and modification times of all annotations are what they were.
    """
    signature = _signature(root, names)
    kept = None if cache is None else cache / f"sbd_objects_{signature[:16]}.json"
    if kept is not None and (index := _read_index(kept, signature, len(names))) is not None:
        return index
    log.info("SBD: listing the objects of %d images in %s", len(names), root / "inst")
    index = [_object_labels(_label_path(root, name)) for name in names]
    if kept is not None and [UNREADABLE] not in index:
        try:
            with replacing(kept) as partial:
                partial.write_text(json.dumps({"signature": signature, "objects": index}))
        except OSError as error:
            log.warning("SBD: the list of objects cannot be kept in %s (%s); it will be made again next time", cache, error)
    return index


def read_labels(path: Path) -> np.ndarray:
    """Read an annotation: ``H W`` uint8, 0 = background, objects 1, 2, ...

    Raises:
        CorruptSample: the file is missing, damaged, or no SBD annotation.
    """
    try:
        labels = scipy.io.loadmat(path, variable_names=["GTinst"])["GTinst"]["Segmentation"][0, 0]
    except OSError as error:
        raise CorruptSample(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged file can make the reader raise anything
        raise CorruptSample(f"{path} is no annotation of SBD, GTinst.Segmentation ({type(error).__name__}: {error})") from None
    if not (isinstance(labels, np.ndarray) and labels.ndim == 2 and labels.size and labels.dtype.kind in "ui"):
        raise CorruptSample(f"{path}: GTinst.Segmentation is no table of whole numbers")
    if labels.min() < 0 or labels.max() > 255:
        raise CorruptSample(f"{path} holds object numbers from {labels.min()} to {labels.max()}; expected 0 to 255")
    return labels.astype(np.uint8, order="C")


def sbd(cfg: EasyDict) -> EvalDataset:
    """6,671 objects in 2,857 images, the set that papers call SBD."""
    return _open(cfg, "SBD", "val")


def sbd_train(cfg: EasyDict) -> EvalDataset:
    """20,172 objects in the 8,498 training images."""
    return _open(cfg, "SBD_Train", "train")


EVALUATION = {"SBD": sbd, "SBD_Train": sbd_train}


def _open(cfg: EasyDict, name: str, split: str) -> EvalDataset:
    cache = absolute(cfg, str(cfg.EXPS_PATH)) / ".cache" if "EXPS_PATH" in cfg else None
    return SbdEvaluation(name, require_path(cfg, "SBD_PATH", name), split, cache)


def _read(root: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    image_path, label_path = _image_path(root, name), _label_path(root, name)
    image, labels = read_image(image_path), read_labels(label_path)
    check_size(image, labels, image_path, label_path)
    return image, labels


def _object_labels(path: Path) -> list[int]:
    try:
        labels = read_labels(path)
    except CorruptSample:
        return [UNREADABLE]
    return (np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1).tolist()


def _read_index(path: Path, signature: str, length: int) -> list[list[int]] | None:
    try:
        content = json.loads(path.read_text())
        index = [[int(label) for label in labels] for labels in content["objects"]]
        return index if content["signature"] == signature and len(index) == length else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _signature(root: Path, names: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        path = _label_path(root, name)
        known = path.stat() if path.exists() else None
        digest.update(f"{name} {known and (known.st_size, known.st_mtime_ns)}\n".encode())
    return digest.hexdigest()


def _image_path(root: Path, name: str) -> Path:
    return root / "img" / f"{name}.jpg"


def _label_path(root: Path, name: str) -> Path:
    return root / "inst" / f"{name}.mat"
