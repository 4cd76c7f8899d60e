"""OpenImages, instance segmentation: one of the masks of an image is the object, another one at
each reading (training).

Layout: ``<root>/{train,validation,test}/images/<id>.jpg``, ``masks/<id>_<category>_<box>.png`` and
the official list ``<split>-annotations-object-segmentation.csv``, or the pickle made from it for
arXiv 2102.06583 (``..._clean.pkl``). Masks without a file, and images without a mask, are left out.
Source: the OpenImages loader of arXiv 2102.06583.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.cache import cache_folder
from isegm.data.pickles import read_pickle
from isegm.data.places import require_path
from isegm.data.reading import CorruptSample, read_image, read_mask
from isegm.data.tables import Ragged, Tables, Texts, kept_tables


class OpenImages:
    """The images of a split that have a mask.

    Args:
        root: the folder that holds the splits.
        split: ``"train"``, ``"validation"`` (or ``"val"``, where the folder is called so) or
            ``"test"``.
        cache: where annotation tables are kept, see ``kept_tables``.

    Raises:
        IsegmError: files are missing, or the list is not that of OpenImages.
    """

    def __init__(self, root: Path, split: str, cache: Path | None = None) -> None:
        self._folder = root / split
        path = list_file(self._folder)
        folders = [self._folder / "images", self._folder / "masks"]
        sources = [path] if path.suffix == ".pkl" else [path, *folders]
        tables = kept_tables(cache, f"open_images_{split}", sources, lambda: _tables(listed(path)))
        self._names, self._masks, self._counts = (
            tables["names"],
            tables["masks"],
            tables["object_counts"],
        )
        if not len(self._names):
            raise IsegmError(
                f"OpenImages: none of the masks in {path} has a file in {folders[1]} and an image"
                f" in {folders[0]}"
            )

    def __len__(self) -> int:
        return len(self._names)

    @property
    def object_count(self) -> int:
        return int(self._counts.values().sum(dtype=np.int64))

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        """Read an image and one mask; where their sizes differ, each side is brought to the smaller
        of the two.
        """
        names = self._masks[index].split("\n")
        image_path = self._folder / "images" / f"{self._names[index]}.jpg"
        mask_path = self._folder / "masks" / names[int(rng.integers(len(names)))]
        image, mask = read_image(image_path), (read_mask(mask_path) > 0).astype(np.uint8)
        if not mask.any():
            raise CorruptSample(f"{mask_path} holds no object: every pixel is 0")
        height, width = np.minimum(image.shape[:2], mask.shape).tolist()
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        if mask.shape != (height, width):
            mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        return InstanceSample(image, mask[:, :, None], {0: ObjectInfo(0, 1)}, id=str(image_path))


def open_images(cfg: EasyDict, split: str = "train") -> OpenImages:
    """``OpenImages`` at ``cfg.OPENIMAGES_PATH``; "validation" is also looked for in a folder called
    val.
    """
    root = require_path(cfg, "OPENIMAGES_PATH", "OpenImages")
    split = "val" if split == "validation" and (root / "val").is_dir() else split
    return OpenImages(root, split, cache_folder(cfg))


def list_file(folder: Path) -> Path:
    """The list of a split: the pickle if there is one, else the official one.

    Raises:
        IsegmError: there is none, or no folder of images or masks.
    """
    stem = f"{folder.name}-annotations-object-segmentation"
    places = [folder / f"{stem}_clean.pkl", folder / f"{stem}.csv", folder.parent / f"{stem}.csv"]
    found = next((place for place in places if place.is_file()), None)
    for needed in (folder / "images", folder / "masks", found or places[1]):
        if not needed.exists():
            raise IsegmError(
                f"OpenImages: {needed} does not exist; expected images/, masks/ and {stem}.csv in"
                f" {folder}"
            )
    return found


def listed(path: Path) -> dict[str, list[str]]:
    """The names of the masks of every image, from either list.

    Raises:
        IsegmError: the list is not one of OpenImages.
    """
    try:
        if path.suffix == ".pkl":
            content = read_pickle(path)
            return {
                name: [str(mask) for mask in content["image_id_to_masks"][name]]
                for name in content["dataset_samples"]
            }
        folder = (
            path.parent
            if (path.parent / "masks").is_dir()
            else path.parent / path.name.partition("-")[0]
        )
        images, masks = (
            {entry.name for entry in os.scandir(folder / part)} for part in ("images", "masks")
        )
        found = defaultdict(list)
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                if row["MaskPath"] in masks and f"{row['ImageID']}.jpg" in images:
                    found[row["ImageID"]].append(row["MaskPath"])
        return dict(found)
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise IsegmError(
            f"{path} is not a list of masks of OpenImages ({type(error).__name__}: {error})"
        ) from None


def _tables(masks: dict[str, list[str]]) -> Tables:
    return {
        "names": Texts(masks),
        "masks": Texts("\n".join(names) for names in masks.values()),
        "object_counts": Ragged(([len(names)] for names in masks.values()), np.int32),
    }
