"""Annotations that number the objects of an image in one picture, for evaluation and training
object by object.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from isegm.core.errors import IsegmError
from isegm.core.samples import IGNORE, InstanceSample, ObjectInfo, Sample
from isegm.data.cache import Kept
from isegm.data.evaluation_sets import EvalDataset, files_fingerprint
from isegm.data.reading import CorruptSample, check_size, read_image, require_files
from isegm.data.tables import Texts
from isegm.utils.files import CannotWrite, replacing

log = logging.getLogger("isegm")

UNREADABLE = -1  # in an index: the annotation cannot be read

ReadLabels = Callable[[Path], np.ndarray]


class Labelled(NamedTuple):
    """One image and the file that numbers its objects: 0 = background, objects 1, 2, ..."""

    name: str
    image: Path
    labels: Path


def listed_names(what: str, listing: Path, folders: Sequence[Path], layout: str) -> list[str]:
    """The image names in the list of a split, one per line.

    Args:
        what: the data set.
        folders: must exist, too.
        layout: of the data set, for the error.

    Raises:
        IsegmError: a folder or the list is missing, or the list is empty.
    """
    require_files(what, (*folders, listing), layout)
    names = listing.read_text().split()
    if not names:
        raise IsegmError(f"{what}: {listing} is empty; expected one image name per line")
    return names


class ObjectEvaluation(EvalDataset):
    """One sample per object, with the id ``<name>_<number>``; images in the given order, the
    objects of an image by number.

    Args:
        name: what tables call it.
        files: the images and annotations.
        read_labels: reads an annotation as ``H W`` uint8.
        ignore: the number that marks unknown truth; None if there is none.
        cache: a folder for the list of objects, so that only the first use reads all annotations;
            None reads them every time. Nothing is ever written beside the data.

    Raises:
        IsegmError: there is no object.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[Labelled],
        read_labels: ReadLabels,
        ignore: int | None = None,
        cache: Path | None = None,
    ) -> None:
        self.name = name
        self._read_labels, self._ignore = read_labels, ignore
        objects = object_index(name, [file.labels for file in files], read_labels, ignore, cache)
        self._samples = [
            (file, label) for file, labels in zip(files, objects, strict=True) for label in labels
        ]
        if not self._samples:
            raise IsegmError(f"{name}: none of the {len(files)} listed files holds an object")

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        file, label = self._samples[index]
        if label == UNREADABLE:
            raise CorruptSample(f"{file.labels} could not be read when its objects were counted")
        image, labels = read_labelled(file, self._read_labels)
        gt = (labels == label).astype(np.int8)
        if not gt.any():
            raise CorruptSample(f"{file.labels} no longer holds object {label}")
        if self._ignore is not None:
            gt[labels == self._ignore] = IGNORE
        return Sample(image, gt, self.ids()[index], picture=file.name)

    def ids(self) -> list[str]:
        return self._ids

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _ids(self) -> list[str]:
        return [
            f"{file.name}_{'unreadable' if label == UNREADABLE else label}"
            for file, label in self._samples
        ]

    @cached_property
    def _fingerprint(self) -> str:
        files = list(dict.fromkeys(file for file, _ in self._samples))
        return files_fingerprint(
            self.ids(), [file.image for file in files], [file.labels for file in files]
        )


class OneByOne:
    """Training source: one object per index; the rest of its image is background.

    Args:
        name: for messages.
        objects: readable files, each with the number of one object in it.
        read_labels: as in ``ObjectEvaluation``.

    Raises:
        IsegmError: there is no object.
    """

    def __init__(
        self, name: str, objects: Iterable[tuple[Labelled, int]], read_labels: ReadLabels
    ) -> None:
        objects = list(objects)
        if not objects:
            raise IsegmError(f"{name}: there is no object to train on")
        self._read_labels = read_labels
        self._images = Texts(str(file.image) for file, _ in objects)
        self._labels = Texts(str(file.labels) for file, _ in objects)
        self._numbers = np.array([number for _, number in objects], np.int16)

    def __len__(self) -> int:
        return len(self._numbers)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        number, path = int(self._numbers[index]), Path(self._labels[index])
        image, labels = read_labelled(
            Labelled(path.stem, Path(self._images[index]), path), self._read_labels
        )
        layer = (labels == number).astype(np.uint8)
        if not layer.any():
            raise CorruptSample(f"{path} holds no object {number}")
        return InstanceSample(
            image, layer[:, :, None], {0: ObjectInfo(0, 1)}, id=f"{path}, object {number}"
        )


def read_labelled(file: Labelled, read_labels: ReadLabels) -> tuple[np.ndarray, np.ndarray]:
    """An image, ``H W 3`` uint8, and the numbers of its objects, ``H W``.

    Raises:
        CorruptSample: one of them cannot be read, or their sizes differ.
    """
    image, labels = read_image(file.image), read_labels(file.labels)
    check_size(image, labels, file.image, file.labels)
    return image, labels


def object_index(
    name: str,
    paths: Sequence[Path],
    read_labels: ReadLabels,
    ignore: int | None = None,
    cache: Path | None = None,
) -> list[list[int]]:
    """The numbers of the objects of every annotation; ``[UNREADABLE]`` where one cannot be read.

    A cached index is used only if the paths, sizes and modification times of all annotations are
    unchanged.
    """
    kept = None if cache is None else Kept.of(cache, f"{name}_objects", paths, ".json")
    if kept is not None and (index := _read_index(kept.path, len(paths))) is not None:
        return index
    log.info("%s: listing the objects of %d images", name, len(paths))
    index = [_object_labels(path, read_labels, ignore) for path in paths]
    if kept is not None and [UNREADABLE] not in index:
        try:
            with replacing(kept.path) as partial:
                partial.write_text(json.dumps({"objects": index}))
            kept.remove_others()
        except (OSError, CannotWrite) as error:
            log.warning(
                "%s: the list of objects cannot be saved in %s (%s); the next run makes it again",
                name,
                cache,
                error,
            )
    return index


def _object_labels(path: Path, read_labels: ReadLabels, ignore: int | None) -> list[int]:
    try:
        labels = read_labels(path)
    except CorruptSample:
        return [UNREADABLE]
    present = (np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1).tolist()
    return [label for label in present if label != ignore]


def _read_index(path: Path, length: int) -> list[list[int]] | None:
    try:
        content = json.loads(path.read_text())
        index = [[int(label) for label in labels] for labels in content["objects"]]
        return index if len(index) == length else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
