"""Evaluation sets, opened by name; each sample is one image and one object."""

from __future__ import annotations

import hashlib
import importlib
import logging
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError, unknown
from isegm.core.samples import Sample
from isegm.data import sources
from isegm.data.reading import CorruptSample, check_size, list_images, read_image

log = logging.getLogger("isegm")


class EvalDataset(ABC):
    """An evaluation set. ``dataset[i]`` reads the i-th sample; nothing else decodes a picture.

    Attributes:
        name: its name in tables.
    """

    name: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Read a sample.

        Raises:
            CorruptSample: this sample cannot be used (unreadable; mask empty or of the wrong size).
            IndexError: there is no such sample.
        """

    @abstractmethod
    def ids(self) -> list[str]:
        """The id of every sample, in order, without decoding anything."""

    @abstractmethod
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change when the samples, the images or the ground truth
        change.
        """


class Pair(NamedTuple):
    id: str
    image: Path
    mask: Path


class PairedDataset(EvalDataset):
    """One image file and one mask file per sample.

    Args:
        name: its name in tables.
        pairs: the files, in evaluation order.
        read_gt: reads a mask file as ``H W`` int8 with values 1, 0 and -1 (ignored).
    """

    def __init__(self, name: str, pairs: list[Pair], read_gt: Callable[[Path], np.ndarray]) -> None:
        self.name = name
        self._pairs = pairs
        self._read_gt = read_gt

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        pair = self._pairs[index]
        image, gt = read_image(pair.image), self._read_gt(pair.mask)
        check_size(image, gt, pair.image, pair.mask)
        if not (gt == 1).any():
            raise CorruptSample(f"{pair.mask} holds no object: no pixel is marked as foreground")
        return Sample(image, gt, pair.id)

    def ids(self) -> list[str]:
        return [pair.id for pair in self._pairs]

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return files_fingerprint(
            self.ids(), [p.image for p in self._pairs], [p.mask for p in self._pairs]
        )


def files_fingerprint(ids: Iterable[str], images: Iterable[Path], masks: Iterable[Path]) -> str:
    """A sha256 over sample ids, the names and sizes in bytes of image files, and the bytes of
    ground-truth files.
    """
    digest = hashlib.sha256()
    for id_ in ids:
        digest.update(f"{id_}\n".encode())
    for path in images:
        digest.update(f"{path.name} {_size(path)}\n".encode())
    for path in masks:
        digest.update(f"{path.name} {_size(path)}\n".encode())
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def pair_files(name: str, image_dir: Path, mask_dir: Path) -> list[Pair]:
    """Pair image and mask files by stem (the file name up to its first dot), sorted by image name.

    Raises:
        IsegmError: a folder is missing or empty, an image has no mask, or two files of a folder
            share a stem.
    """
    images, masks = list_images(image_dir, name), list_images(mask_dir, name)
    named = _by_stem(name, masks)
    _by_stem(name, images)
    missing = [p.name for p in images if stem(p) not in named]
    if missing:
        raise IsegmError(
            f"{name}: {len(missing)} of {len(images)} images have no mask in {mask_dir}, the first"
            f" being {missing[0]}; expected a file {stem(Path(missing[0]))}.<suffix> there"
        )
    if len(masks) > len(images):
        log.warning(
            "%s: %d masks in %s belong to no image and are left out",
            name,
            len(masks) - len(images),
            mask_dir,
        )
    return [Pair(stem(p), p, named[stem(p)]) for p in images]


def stem(path: Path) -> str:
    """The file name up to its first dot."""
    return path.name.split(".")[0]


def evaluation_set(name: str, cfg: EasyDict) -> EvalDataset:
    """Open an evaluation set by name, with paths from ``cfg``.

    Raises:
        IsegmError: the name is unknown (the nearest are listed), or its files are not where ``cfg``
            says.
    """
    known = evaluation_sets()
    if name not in known:
        raise unknown("dataset", name, known)
    return known[name](cfg)


def evaluation_sets() -> dict[str, Callable[[EasyDict], EvalDataset]]:
    """Every evaluation set by name: all that the modules of ``isegm.data.sources`` list under
    ``EVALUATION``.
    """
    listed: dict[str, Callable[[EasyDict], EvalDataset]] = {}
    for module in pkgutil.iter_modules(sources.__path__):
        loaded = importlib.import_module(f"{sources.__name__}.{module.name}")
        listed.update(getattr(loaded, "EVALUATION", {}))
    return listed


def _by_stem(name: str, paths: list[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in paths:
        if stem(path) in named:
            raise IsegmError(
                f"{name}: {named[stem(path)]} and {path.name} have the same stem; keep one of them"
            )
        named[stem(path)] = path
    return named


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
