"""LVIS v1: objects of 1,203 categories in the photographs of COCO (training).

Layout: ``lvis_v1_{train,val}.json`` in the folder, in ``annotations`` or in the folder of the split
(``lvis_{train,val}.json`` there, as arXiv 2102.06583 has it); photographs in ``{train,val}2017`` or
``{train,val}/images``, here or below ``COCO_PATH``. The validation images of LVIS are found among
both. Source: the LVIS loader of arXiv 2102.06583.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.cache import cache_folder
from isegm.data.places import require_path
from isegm.data.reading import CorruptSample, read_image
from isegm.data.tables import Ragged, Tables, Texts, kept_tables
from isegm.utils.config import absolute

MOST_OVERLAP = 0.5


class Lvis:
    """The images of a split that have an object, in the order of the JSON.

    Objects are painted in random order, later ones over earlier ones; one that shares more than
    half of itself with the others, or hides more than half of one of them, is left out. So a
    reading shows either a whole or its parts.

    Args:
        root: the folder of the annotations.
        split: ``"train"`` or ``"val"``.
        photographs: a folder with ``train2017`` and ``val2017``, used where ``root`` has none.
        cache: where annotation tables are kept, see ``kept_tables``.

    Raises:
        IsegmError: files are missing, or the JSON is not that of LVIS.
    """

    def __init__(
        self, root: Path, split: str, photographs: Path | None = None, cache: Path | None = None
    ) -> None:
        self.path = annotation_file(root, split)
        tables = kept_tables(cache, f"lvis_{split}", [self.path], lambda: _tables(self.path))
        self.names, self._sizes, self._outlines = (
            tables["names"],
            tables["sizes"],
            tables["outlines"],
        )
        self._objects = tables["object_counts"]
        self._folders = {
            name: photograph_folder(root, name, photographs) for name in ("train", "val")
        }
        if self._folders[split] is None:
            raise IsegmError(
                f"LVIS: there is no folder of photographs; put {split}2017 into {root}, or set"
                " COCO_PATH in config.yml"
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def object_count(self) -> int:
        return int(self._objects.values().sum(dtype=np.int64))

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        path = self.image_path(index)
        image, size = read_image(path), tuple(self._sizes[index].tolist())
        if image.shape[:2] != size:
            raise CorruptSample(
                f"{path} is {image.shape[0]}x{image.shape[1]}, but its annotations are for"
                f" {size[0]}x{size[1]}"
            )
        masks = self.masks(index)
        labels = painted_over(masks, rng.permutation(len(masks)).tolist())
        objects = {
            int(label) - 1: ObjectInfo(0, int(label)) for label in np.unique(labels) if label
        }
        return InstanceSample(image, labels[:, :, None], objects, id=str(path))

    def image_path(self, index: int) -> Path:
        """The photograph of an image.

        Raises:
            CorruptSample: it is from a split of COCO that is not here.
        """
        split, _, name = self.names[index].partition("/")
        folder = self._folders.get(split.removesuffix("2017"))
        if folder is None:
            raise CorruptSample(
                f"{self.path} speaks of {self.names[index]}, and there is no folder {split}"
            )
        return folder / name

    def masks(self, index: int) -> list[np.ndarray]:
        """The objects of an image, ``H W`` uint8 with values 0 and 1, in the order of the JSON;
        corners are rounded.
        """
        height, width = self._sizes[index].tolist()
        return [filled(outline, height, width) for outline in json.loads(self._outlines[index])]


def annotation_file(root: Path, split: str) -> Path:
    """Where the annotations of a split are.

    Raises:
        IsegmError: nowhere.
    """
    places = annotation_places(split)
    if found := next((root / place for place in places if (root / place).is_file()), None):
        return found
    raise IsegmError(
        f"LVIS: there is no {places[0]} in {root}, in its folder annotations or in its folder"
        f" {split}"
    )


def annotation_places(split: str) -> tuple[str, ...]:
    """Where the annotations of a split may be, below the folder; the first that is there is
    read.
    """
    name = f"lvis_v1_{split}.json"
    return name, f"annotations/{name}", f"{split}/{name}", f"{split}/lvis_{split}.json"


def photograph_folder(root: Path, split: str, photographs: Path | None) -> Path | None:
    """Where COCO's photographs of a split are; None if nowhere."""
    places = [root / split / "images", root / f"{split}2017"]
    if photographs is not None:
        places.append(photographs / f"{split}2017")
    return next((place for place in places if place.is_dir()), None)


def filled(polygons: list[list[float]], height: int, width: int) -> np.ndarray:
    """``H W`` uint8 with 1 inside and on the outline of polygons given as x, y, x, y ..."""
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        corners = np.round(np.asarray(polygon, np.float64).reshape(-1, 2)).astype(np.int32)
        cv2.fillPoly(mask, corners[None], 1)
    return mask


def painted_over(masks: list[np.ndarray], order: list[int]) -> np.ndarray:
    """Paint objects one over the other, object k as k + 1, without those that overlap too much (see
    ``Lvis``).

    Args:
        masks: ``H W``, nonzero = object; at least one.
        order: indices into ``masks``.
    """
    labels = np.zeros(masks[0].shape, np.uint8 if len(masks) < 256 else np.uint16)
    areas = np.zeros(len(masks) + 1, np.int64)
    for index in order:
        mask = masks[index] > 0
        area = np.count_nonzero(mask)
        covered = np.bincount(labels[mask], minlength=len(areas))
        covered[0] = 0
        hidden = covered / np.maximum(areas, 1)
        if not area or max(covered.sum() / area, hidden.max()) > MOST_OVERLAP:
            continue
        labels[mask] = index + 1
        areas[index + 1] = area
    return labels


def _tables(path: Path) -> Tables:
    try:
        content = json.loads(path.read_bytes())
        outlines: dict[int, list[Any]] = defaultdict(list)
        for annotation in content["annotations"]:
            if polygons := [polygon for polygon in annotation["segmentation"] if len(polygon) >= 6]:
                outlines[annotation["image_id"]].append(polygons)
        images = [image for image in content["images"] if image["id"] in outlines]
        tables: Tables = {
            "names": Texts(_name(image) for image in images),
            "sizes": Ragged(([image["height"], image["width"]] for image in images), np.int32),
            "outlines": Texts(json.dumps(outlines[image["id"]]) for image in images),
            "object_counts": Ragged(([len(outlines[image["id"]])] for image in images), np.int32),
        }
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise IsegmError(
            f"{path} is not an annotation file of LVIS ({type(error).__name__}: {error})"
        ) from None
    if not images:
        raise IsegmError(f"{path} lists no object")
    return tables


def _name(image: dict[str, Any]) -> str:
    """``train2017/000000000009.jpg``"""
    return "/".join(image["coco_url"].split("/")[-2:])


def lvis_images(cfg: EasyDict, split: str = "train") -> Lvis:
    """``Lvis`` at ``cfg.LVIS_v1_PATH``, its photographs there or at ``cfg.COCO_PATH``."""
    photographs = absolute(cfg, str(cfg.COCO_PATH)) if "COCO_PATH" in cfg else None
    return Lvis(require_path(cfg, "LVIS_v1_PATH", "LVIS"), split, photographs, cache_folder(cfg))
