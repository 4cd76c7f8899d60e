"""``COCO_seen`` and ``COCO_unseen``: objects of COCO val2017, split by whether PASCAL VOC has their
category.

A network trained on PASCAL VOC knows the 20 categories of the first set but not the 60 of the
second. Layout: as ``coco``.

# differs from the original: papers draw 10 images per category and do not say which. Here they are
the first 10 in a fixed pseudo-random order, one object each, so numbers compare with one another
but not with printed ones.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from easydict import EasyDict
from pycocotools import mask as coco_mask

from isegm.core.errors import IsegmError
from isegm.core.samples import Sample
from isegm.data.evaluation_sets import EvalDataset, files_fingerprint
from isegm.data.places import require_path
from isegm.data.reading import CorruptSample, check_annotated_size, read_image, require_files
from isegm.data.sources.coco import drawable, encoded

PER_CATEGORY = 10
# PASCAL VOC's categories under the names that COCO has for them.
VEHICLES = {"airplane", "bicycle", "boat", "bus", "car", "motorcycle", "train"}
INDOORS = {"bottle", "chair", "couch", "dining table", "potted plant", "tv"}
SEEN = {"person", "bird", "cat", "cow", "dog", "horse", "sheep"} | VEHICLES | INDOORS


class Chosen(NamedTuple):
    """An object: its id, image file, the rows and columns that its outline is for, and the outline
    as in the annotations.
    """

    id: str
    file_name: str
    size: tuple[int, int]
    outline: Any


class CocoByCategory(EvalDataset):
    """Some objects of each of some categories, sorted by category name; ids are
    ``<category>_<annotation id>``.

    Args:
        name: what tables call it.
        root: the folder that holds ``val2017`` and ``annotations``.
        seen: the categories of PASCAL VOC, or all others.
        per_category: objects of each at most; crowds are never among them.

    Raises:
        IsegmError: files are missing or not in this layout, or no category has an object.
    """

    def __init__(self, name: str, root: Path, seen: bool, per_category: int = PER_CATEGORY) -> None:
        self.name = name
        self._folder, path = root / "val2017", root / "annotations" / "instances_val2017.json"
        layout = f"val2017/ and annotations/{path.name} in {root}"
        require_files(name, (self._folder, path), layout)
        try:
            content = json.loads(path.read_bytes())
            wanted = {
                c["id"]: c["name"] for c in content["categories"] if (c["name"] in SEEN) == seen
            }
            self._objects = chosen(content, wanted, per_category)
        except (ValueError, KeyError, TypeError) as error:
            raise IsegmError(
                f"{path} is not a COCO instances file ({type(error).__name__}: {error})"
            ) from None
        if not self._objects:
            raise IsegmError(
                f"{name}: {path} holds no object of the categories"
                f" {', '.join(sorted(wanted.values())) or '(none)'}"
            )

    def __len__(self) -> int:
        return len(self._objects)

    def __getitem__(self, index: int) -> Sample:
        entry = self._objects[index]
        path = self._folder / entry.file_name
        image = read_image(path)
        check_annotated_size(image, entry.size, path)
        gt = coco_mask.decode(encoded(entry.outline, *entry.size)).astype(np.int8)
        if gt.shape != entry.size or not gt.any():
            raise CorruptSample(
                f"{entry.id}: the annotation draws no object of {entry.size[0]}x{entry.size[1]}"
                " pixels"
            )
        return Sample(image, np.ascontiguousarray(gt), entry.id, picture=entry.file_name)

    def ids(self) -> list[str]:
        return [entry.id for entry in self._objects]

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        ids = [f"{entry.id} {json.dumps(entry.outline)}" for entry in self._objects]
        return files_fingerprint(
            ids, [self._folder / entry.file_name for entry in self._objects], []
        )


def chosen(content: dict[str, Any], categories: dict[int, str], per_category: int) -> list[Chosen]:
    """The first objects of each category in the order of a hash of their ids, no two of a category
    in one image.

    Args:
        content: of a COCO instances file.
        categories: names by id.
    """
    images = {image["id"]: image for image in content["images"]}
    candidates = defaultdict(list)
    for annotation in content["annotations"]:
        if (
            annotation["category_id"] in categories
            and not annotation.get("iscrowd")
            and drawable(annotation)
        ):
            candidates[annotation["category_id"]].append(annotation)
    objects = []
    for number in sorted(candidates, key=categories.__getitem__):
        in_order = sorted(candidates[number], key=lambda annotation: _shuffled(annotation["id"]))
        by_image: dict[int, Any] = {}
        for annotation in in_order:
            by_image.setdefault(annotation["image_id"], annotation)
        for annotation in list(by_image.values())[:per_category]:
            image = images[annotation["image_id"]]
            id_ = f"{categories[number].replace(' ', '-')}_{annotation['id']}"
            objects.append(
                Chosen(
                    id_, image["file_name"], (image["height"], image["width"]), drawable(annotation)
                )
            )
    return objects


def coco_seen(cfg: EasyDict) -> EvalDataset:
    """200 objects of the 20 categories of PASCAL VOC."""
    return CocoByCategory("COCO_seen", require_path(cfg, "COCO_PATH", "COCO_seen"), seen=True)


def coco_unseen(cfg: EasyDict) -> EvalDataset:
    """600 objects of the 60 other categories, or fewer where a category has fewer than 10
    images.
    """
    return CocoByCategory("COCO_unseen", require_path(cfg, "COCO_PATH", "COCO_unseen"), seen=False)


EVALUATION = {"COCO_seen": coco_seen, "COCO_unseen": coco_unseen}


def _shuffled(id_: int) -> bytes:
    return hashlib.sha256(str(id_).encode()).digest()
