"""COCO+LVIS, the training set of arXiv 2102.06583 and most of its successors, in its published
layout.

Layout: ``<root>/{train,val}/images/<name>.jpg``, ``masks/<name>.pickle`` and
``hannotation.pickle``. Objects may be parts of others; samplers choose among those that are not,
unless asked to descend.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.cache import cache_folder
from isegm.data.pickles import read_pickle
from isegm.data.places import require_path
from isegm.data.reading import CorruptSample, check_size, read_image
from isegm.data.tables import Ragged, Tables, Texts, kept_tables

NO_PARENT, NO_OBJECT = -1, -2


class CocoLvis:
    """The images of a split, sorted by name.

    Args:
        root: the folder that holds ``train`` and ``val``.
        split: ``"train"`` or ``"val"``.
        stuff_prob: probability that the stuff regions of an image (sky, grass ...) are objects too,
            drawn at each reading.
        allow_list: a JSON list of image names; the others are left out.
        cache: where annotation tables are kept, see ``kept_tables``.

    Raises:
        IsegmError: files are missing or not in this layout.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        stuff_prob: float = 0.0,
        allow_list: Path | None = None,
        cache: Path | None = None,
    ) -> None:
        self._folder = root / split
        self._stuff_prob = stuff_prob
        path = self._folder / "hannotation.pickle"
        for needed in (self._folder / "images", self._folder / "masks", path):
            if not needed.exists():
                raise IsegmError(
                    f"COCO+LVIS: {needed} does not exist; expected images/, masks/ and"
                    " hannotation.pickle there"
                )
        tables = kept_tables(cache, f"coco_lvis_{split}", [path], lambda: _tables(path))
        self._names, self._parents = tables["names"], tables["parents"]
        self._instance_counts = tables["instance_counts"]
        self.object_count = int(self._instance_counts.values().sum(dtype=np.int64))
        self._chosen = None
        if allow_list is not None:
            allowed = _allowed_names(allow_list)
            self._chosen = np.array(
                [i for i, name in enumerate(self._names) if name in allowed], np.int64
            )
        if not len(self):
            raise IsegmError(
                f"{path} lists no image" + (f" that {allow_list} allows" if allow_list else "")
            )

    def __len__(self) -> int:
        return len(self._names) if self._chosen is None else len(self._chosen)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        """Read an image. Stuff that was not drawn keeps its labels in the layers, which ``cleaned``
        erases.
        """
        index = index if self._chosen is None else int(self._chosen[index])
        name = self._names[index]
        image_path, mask_path = (
            self._folder / "images" / f"{name}.jpg",
            self._folder / "masks" / f"{name}.pickle",
        )
        image = read_image(image_path)
        layers, places = _read_masks(mask_path)
        check_size(image, layers, image_path, mask_path)
        parents = {key: int(p) for key, p in enumerate(self._parents[index]) if p != NO_OBJECT}
        if self._stuff_prob > 0 and rng.random() < self._stuff_prob:
            parents.update(
                dict.fromkeys(range(int(self._instance_counts[index][0]), len(places)), NO_PARENT)
            )
        if max(parents, default=-1) >= len(places):
            raise CorruptSample(
                f"{mask_path} holds {len(places)} masks, but hannotation.pickle speaks of number"
                f" {max(parents)}"
            )
        return InstanceSample(image, layers, _objects(parents, places), id=str(image_path))


def coco_lvis_images(
    cfg: EasyDict, split: str = "train", stuff_prob: float = 0.0, allow_list: str | None = None
) -> CocoLvis:
    """``CocoLvis`` at ``cfg.COCO_LVIS_PATH``; ``allow_list`` is the name of a file beside
    hannotation.pickle.
    """
    root = require_path(cfg, "COCO_LVIS_PATH", "COCO+LVIS")
    return CocoLvis(
        root,
        split,
        stuff_prob,
        root / split / allow_list if allow_list else None,
        cache_folder(cfg),
    )


def _tables(path: Path) -> Tables:
    annotations = read_pickle(path)
    try:
        names = sorted(annotations)
        counts = [[int(annotations[name]["num_instance_masks"])] for name in names]
        parents = Ragged((_parents(annotations[name]["hierarchy"]) for name in names), np.int32)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IsegmError(
            f"{path} is not an annotation file of COCO+LVIS ({type(error).__name__}: {error})"
        ) from None
    return {"names": Texts(names), "instance_counts": Ragged(counts, np.int32), "parents": parents}


def _objects(parents: dict[int, int], places: list[tuple[int, int]]) -> dict[int, ObjectInfo]:
    children: dict[int, list[int]] = {key: [] for key in parents}
    for key, parent in parents.items():
        if parent in children:
            children[parent].append(key)
    return {
        key: ObjectInfo(*places[key], parent if parent in parents else None, tuple(children[key]))
        for key, parent in parents.items()
    }


def _parents(hierarchy: dict[int, dict[str, Any] | None]) -> list[int]:
    """The parent of every object 0, 1, ... of an image."""
    parents = [NO_OBJECT] * (max(hierarchy, default=-1) + 1)
    for key, node in hierarchy.items():
        parent = None if node is None else node["parent"]
        parents[key] = NO_PARENT if parent is None else int(parent)
    return parents


def _read_masks(path: Path) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """``H W L`` uint8 label layers, and the (layer, label) of every mask."""
    content = read_pickle(path)
    try:
        encoded, places = content
        layers = [
            cv2.imdecode(np.asarray(layer, np.uint8), cv2.IMREAD_UNCHANGED) for layer in encoded
        ]
        return np.stack(layers, 2), [(int(layer), int(label)) for layer, label in places]
    except (TypeError, ValueError, cv2.error) as error:
        raise CorruptSample(
            f"{path} does not hold encoded label layers ({type(error).__name__}: {error})"
        ) from None


def _allowed_names(path: Path) -> set[str]:
    try:
        return {str(name) for name in json.loads(path.read_text())}
    except (OSError, ValueError, TypeError) as error:
        raise IsegmError(f"{path} is not a JSON list of image names: {error}") from None
