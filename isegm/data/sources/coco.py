"""COCO instances (``annotations/instances_{train,val}2017.json``) as training data.

Layout: ``<root>/{train,val}2017/*.jpg`` beside ``annotations``. Crowd annotations are left out and
their pixels count as background, as in the COCO loader of arXiv 2102.06583: to a user who clicks on
one object, the crowd beside it is background.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from easydict import EasyDict
from pycocotools import mask as coco_mask

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.cache import cache_folder
from isegm.data.leave_out import left_out
from isegm.data.places import require_path
from isegm.data.reading import CorruptSample, check_annotated_size, read_image, require_files
from isegm.data.tables import Ragged, Tables, Texts, kept_tables, paint_layers

FAR = 10  # sides of the image: no polygon has corners beyond


class CocoInstances:
    """The images of a split that have at least one object, in the order of their ids.

    Files that ``leave_out.txt`` in the root lists are left out.

    Args:
        root: the folder that holds ``train2017``, ``val2017`` and ``annotations``.
        split: ``"train2017"``, ``"val2017"`` or any name that has a folder and an
            ``annotations/instances_<split>.json``.
        cache: where annotation tables are kept, see ``kept_tables``.

    Raises:
        IsegmError: files are missing, or the JSON is not what COCO calls instances.
    """

    def __init__(self, root: Path, split: str, cache: Path | None = None) -> None:
        self._folder = root / split
        path = root / "annotations" / f"instances_{split}.json"
        require_files("COCO", (self._folder, path), f"{split}/ and annotations/{path.name}")
        tables = kept_tables(cache, f"coco_{split}", [path], lambda: _tables(path))
        self._names, self._sizes = tables["names"], tables["sizes"]
        self._outlines = tables["outlines"]
        self._kept = _kept(self._names, left_out(root))
        counts = tables["object_counts"].values()
        counted = counts if self._kept is None else counts[self._kept]
        self.object_count = int(counted.sum(dtype=np.int64))

    def __len__(self) -> int:
        return len(self._names) if self._kept is None else len(self._kept)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        index = index if self._kept is None else int(self._kept[index])
        path = self._folder / self._names[index]
        height, width = self._sizes[index].tolist()
        image = read_image(path)
        check_annotated_size(image, (height, width), path)
        outlines = json.loads(self._outlines[index])
        if any(o["size"] != [height, width] for o in outlines if isinstance(o, dict)):
            raise CorruptSample(
                f"{path} is {height}x{width}, but the run-length code of one of its objects has"
                " another size"
            )
        codes = [encoded(outline, height, width) for outline in outlines]
        # Decoded masks lie in memory column by column, so painting their transposes is faster.
        layers, places = paint_layers(list(coco_mask.decode(codes).T), width, height)
        objects = {key: ObjectInfo(*place) for key, place in enumerate(places)}
        layers = np.stack([cv2.transpose(layer) for layer in layers], 2)
        return InstanceSample(image, layers, objects, id=str(path))


def coco_images(
    cfg: EasyDict, split: str = "train2017", folder: str = "COCO_PATH"
) -> CocoInstances:
    """``CocoInstances``; ``folder`` is the key of config.yml with the path of COCO, or of a data
    set in its layout.
    """
    return CocoInstances(require_path(cfg, folder, "COCO"), split, cache_folder(cfg))


def encoded(outline: Any, height: int, width: int) -> dict[str, Any]:
    """The compressed run-length code of an outline: polygons, or a run-length code of either
    kind.

    Raises:
        CorruptSample: it is neither; or it would be drawn far outside of the image, which can take
            any amount of memory.
    """
    try:
        if isinstance(outline, list):
            return coco_mask.merge(
                coco_mask.frPyObjects(_near(outline, height, width), height, width)
            )
        if list(outline["size"]) != [height, width]:
            raise ValueError(f"it is for {outline['size']}")
        if isinstance(outline["counts"], list):
            if sum(outline["counts"]) != height * width or min(outline["counts"]) < 0:
                raise ValueError("the lengths of its runs do not add up to the image")
            return coco_mask.frPyObjects(outline, height, width)
        return {"size": outline["size"], "counts": outline["counts"]}
    except Exception as error:  # pycocotools raises bare Exceptions
        raise CorruptSample(
            f"an outline in an image of {height}x{width} cannot be drawn: {error}"
        ) from None


def _near(polygons: list[list[float]], height: int, width: int) -> list[list[float]]:
    corners = np.abs(np.concatenate([np.asarray(each, np.float64) for each in polygons]))
    if not (corners <= FAR * max(height, width)).all():  # false for NaN, too
        raise ValueError(f"one of its corners is {corners.max():g} pixels away")
    return polygons


def drawable(annotation: dict[str, Any]) -> Any:
    """The outline of an annotation without polygons of fewer than three corners; empty if nothing
    is left.
    """
    outline = annotation["segmentation"]
    if isinstance(outline, list):
        return [polygon for polygon in outline if len(polygon) >= 6]
    return outline


def _kept(names: Texts, without: frozenset[str]) -> np.ndarray | None:
    """The positions of the images that are not left out; None for all of them."""
    if not without:
        return None
    kept = [i for i, name in enumerate(names) if Path(name).stem not in without]
    return np.array(kept, np.int64)


def _tables(path: Path) -> Tables:
    try:
        images, outlines = _parse(path)
        return {
            "names": Texts(image["file_name"] for image in images),
            "sizes": Ragged(([image["height"], image["width"]] for image in images), np.int32),
            # Outlines stay JSON text until they are needed: as Python objects those of COCO take
            # 20 GB.
            "outlines": Texts(json.dumps(outlines[image["id"]]) for image in images),
            "object_counts": Ragged(([len(outlines[image["id"]])] for image in images), np.int32),
        }
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise IsegmError(
            f"{path} is not a COCO instances file ({type(error).__name__}: {error})"
        ) from None


def _parse(path: Path) -> tuple[list[dict[str, Any]], dict[int, list[Any]]]:
    """The images that have objects, sorted by id, and the outlines of the objects by image id."""
    content = json.loads(path.read_bytes())
    outlines = defaultdict(list)
    for annotation in content["annotations"]:
        if not annotation.get("iscrowd") and (outline := drawable(annotation)):
            outlines[annotation["image_id"]].append(outline)
    images = sorted(
        (image for image in content["images"] if image["id"] in outlines),
        key=lambda image: image["id"],
    )
    if not images:
        raise IsegmError(
            f"{path} lists no object; expected the keys 'images' and 'annotations' with"
            " segmentations"
        )
    return images, outlines
