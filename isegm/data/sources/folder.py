"""Your own data: a folder of images and a folder of masks, for training and for evaluation.

The masks of ``cat.jpg`` are ``cat.png``, or ``cat_0.png``, ``cat_1.png`` ... (in any lossless
format). The *kind* of a mask says what its numbers mean:

* ``indexed``: every number but 0 is an object; 255 is ignored (in 8 bit masks). In a colour mask,
  every colour but black is an object.
* ``binary``: one object, where the value is above 128 (in a palette image: where the index is not
  0); exactly 128 is ignored.
* ``auto``, decided for each file: ``binary`` if it has no palette, holds 255 and no value but 0,
  128 and 255 (in 16 bit: 0 and 65535); otherwise ``indexed``.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError, unknown
from isegm.core.samples import IGNORE, InstanceSample, ObjectInfo, Sample
from isegm.data.evaluation_sets import EvalDataset, files_fingerprint
from isegm.data.reading import CorruptSample, check_size, list_images, read_image, read_labels
from isegm.utils.config import absolute

log = logging.getLogger("isegm")

MASK_KINDS = ("auto", "binary", "indexed")
# A gray mask of unknown kind with more values than this has soft edges instead of objects.
MOST_VALUES = 64
MOST_OBJECTS = 1000


@dataclass(frozen=True)
class Labels:
    """One mask file. ``layer``: ``H W`` uint8 or uint16, objects numbered 1 .. count; count + 1 =
    ignored.
    """

    layer: np.ndarray
    count: int

    @property
    def ignored(self) -> bool:
        return bool((self.layer == self.count + 1).any())


class Folder:
    """A folder of images and masks as training data; every image needs at least one mask file.

    Raises:
        IsegmError: a folder is missing or empty, an image has no mask, two images share a stem.
    """

    def __init__(self, image_dir: Path, mask_dir: Path, mask_kind: str = "auto") -> None:
        self._entries = match_masks(image_dir, mask_dir)
        self._kind = _known_kind(mask_kind)

    def __len__(self) -> int:
        return len(self._entries)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        image_path, mask_paths = self._entries[index]
        image = read_image(image_path)
        masks = [read_objects(path, self._kind) for path in mask_paths]
        for path, mask in zip(mask_paths, masks, strict=True):
            check_size(image, mask.layer, image_path, path)
        places = [
            (layer, label + 1) for layer, mask in enumerate(masks) for label in range(mask.count)
        ]
        if not places:
            raise CorruptSample(f"{mask_paths[0]} holds no object")
        ignored = tuple((layer, mask.count + 1) for layer, mask in enumerate(masks) if mask.ignored)
        layers = np.stack([mask.layer for mask in masks], 2)
        return InstanceSample(
            image,
            layers,
            {k: ObjectInfo(*p) for k, p in enumerate(places)},
            ignored,
            str(image_path),
        )


class FolderEvaluation(EvalDataset):
    """The same folders for evaluation: one sample per object.

    Sample ids are ``<stem>``, or ``<stem>#<n>`` if an image has several objects. Masks are read
    once at the start to count their objects; masks without objects are left out and counted in the
    log.

    Args:
        name: of the set, in tables and messages.
    """

    def __init__(
        self, image_dir: Path, mask_dir: Path, mask_kind: str = "auto", name: str = "folder"
    ) -> None:
        self.name, self._kind = name, _known_kind(mask_kind)
        self._samples: list[tuple[str, Path, Path, int]] = []  # id, image, mask, label in it
        empty = 0
        for image, masks in match_masks(image_dir, mask_dir, name):
            drawn = [(mask, label) for mask in masks for label in self._labels(mask)]
            empty += not drawn
            for number, (mask, label) in enumerate(drawn, 1):
                id_ = image.stem if len(drawn) == 1 else f"{image.stem}#{number}"
                self._samples.append((id_, image, mask, label))
        if empty:
            log.warning("%s: %d images are left out: their masks hold no object", name, empty)
        if not self._samples:
            raise IsegmError(
                f"{name}: no mask in {mask_dir} holds an object; is the kind {mask_kind!r} right?"
            )

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        id_, image_path, mask_path, label = self._samples[index]
        image, mask = read_image(image_path), read_objects(mask_path, self._kind)
        check_size(image, mask.layer, image_path, mask_path)
        gt = (mask.layer == label).astype(np.int8)
        gt[mask.layer == mask.count + 1] = IGNORE
        return Sample(image, gt, id_)

    def ids(self) -> list[str]:
        return [id_ for id_, *_ in self._samples]

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        _, images, masks, labels = zip(*self._samples, strict=True)
        ids = [f"{id_} {label}" for id_, label in zip(self.ids(), labels, strict=True)]
        return files_fingerprint(ids, images, sorted(set(masks)))

    def _labels(self, mask: Path) -> range:
        try:
            return range(1, read_objects(mask, self._kind).count + 1)
        except CorruptSample:  # counts as one sample; reading it will say what is wrong
            return range(1, 2)


def folder(cfg: EasyDict) -> EvalDataset:
    image_dir, mask_dir = (folder_path(cfg, key) for key in ("IMAGE_DIR", "MASK_DIR"))
    return FolderEvaluation(image_dir, mask_dir, cfg.get("MASK_KIND", "auto"))


EVALUATION = {"folder": folder}


def folder_images(
    cfg: EasyDict, image_dir: str = "IMAGE_DIR", mask_dir: str = "MASK_DIR", mask_kind: str = "auto"
) -> Folder:
    """``Folder``; each folder is a path, or a key of config.yml that holds one."""
    return Folder(folder_path(cfg, image_dir), folder_path(cfg, mask_dir), mask_kind)


def folder_path(cfg: EasyDict, name: str) -> Path:
    """A folder: a path, or the value of a key of config.yml; relative to the working folder or to
    that of config.yml.
    """
    if name.isupper() and not cfg.get(name):
        raise IsegmError(
            f"folder: {name} is not given; pass --image-dir and --mask-dir, or set {name} in"
            " config.yml"
        )
    value = str(cfg.get(name) or name)
    path = Path(value).expanduser()
    return path if path.is_dir() else absolute(cfg, value)


def match_masks(
    image_dir: Path, mask_dir: Path, what: str = "folder"
) -> list[tuple[Path, list[Path]]]:
    """Every image with its mask files, sorted by name.

    Raises:
        IsegmError: a folder is missing or empty, an image has no mask, two images share a stem.
    """
    images = list_images(image_dir, what)
    by_stem: dict[str, list[Path]] = {}
    for image in images:
        if image.stem in by_stem:
            raise IsegmError(
                f"{what}: two images in {image_dir} are named {image.stem}; rename one of them and"
                " its masks"
            )
        by_stem[image.stem] = []
    unmatched = 0
    for mask in list_images(mask_dir, what):
        numbered = re.fullmatch(r"(.+)_\d+", mask.stem)
        # cat_1.png belongs to cat_1.jpg if there is one, else to cat.jpg.
        owner = mask.stem if mask.stem in by_stem else numbered and numbered[1]
        if owner in by_stem:
            by_stem[owner].append(mask)
        else:
            unmatched += 1
    if unmatched:
        log.warning("%s: %d masks in %s belong to no image", what, unmatched, mask_dir)
    missing = [image.name for image in images if not by_stem[image.stem]]
    if missing:
        raise IsegmError(
            f"{what}: {len(missing)} of {len(images)} images have no mask in {mask_dir}, the first"
            f" being {missing[0]};"
            f" expected {Path(missing[0]).stem}.png, or {Path(missing[0]).stem}_0.png and so on"
        )
    return [(image, sorted(by_stem[image.stem], key=_natural)) for image in images]


def read_objects(path: Path, kind: str = "auto") -> Labels:
    """Read the objects of a mask file, in the order of their numbers (or colours).

    Raises:
        CorruptSample: the file is unreadable, or holds so many values that they cannot be objects.
    """
    pixels, has_palette = read_labels(path)
    colour = pixels.ndim == 3
    if colour:
        pixels = pixels.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    values = np.unique(pixels)
    if kind == "auto":
        kind = "indexed" if has_palette or colour or not _looks_binary(values, path) else "binary"
    if kind == "binary":
        return _binary(pixels, by_index=has_palette or colour)
    return _indexed(pixels, values, path)


def _looks_binary(values: np.ndarray, path: Path) -> bool:
    if 255 in values and {*values.tolist()} <= {0, 128, 255}:
        return True
    if values.dtype == np.uint16 and {*values.tolist()} == {0, 65535}:
        return True
    if values.dtype == np.uint8 and len(values) > MOST_VALUES:
        raise CorruptSample(
            f"{path} holds {len(values)} different gray values; if these are soft edges of one"
            " object, set the mask kind to 'binary', if they are objects, to 'indexed'"
        )
    return False


def _binary(pixels: np.ndarray, by_index: bool) -> Labels:
    if by_index:
        return Labels((pixels > 0).astype(np.uint8), int((pixels > 0).any()))
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    layer = (pixels > 128).astype(np.uint8)
    count = int(layer.any())
    layer[pixels == 128] = count + 1
    return Labels(layer, count)


def _indexed(pixels: np.ndarray, values: np.ndarray, path: Path) -> Labels:
    unknown_value = 255 if pixels.dtype == np.uint8 else None
    objects = [value for value in values.tolist() if value not in (0, unknown_value)]
    if len(objects) > MOST_OBJECTS:
        raise CorruptSample(
            f"{path} holds {len(objects)} different values; a mask must be saved without loss (PNG,"
            " not JPEG)"
        )
    numbers = {value: number for number, value in enumerate(objects, 1)}
    numbers |= {0: 0, unknown_value: len(objects) + 1}
    dtype = np.uint8 if len(objects) < 255 else np.uint16
    table = np.array([numbers[value] for value in values.tolist()], dtype)
    return Labels(table[np.searchsorted(values, pixels)], len(objects))


def _known_kind(kind: str) -> str:
    if kind not in MASK_KINDS:
        raise unknown("mask kind", kind, MASK_KINDS)
    return kind


def _natural(path: Path) -> tuple[int, str]:
    return len(path.stem), path.name  # cat_2 before cat_10
