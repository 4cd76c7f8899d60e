"""COCO panoptic: every thing is an object, stuff (sky, grass ...) sometimes (training).

Layout: ``<root>/{train,val}2017/*.jpg``, ``annotations/panoptic_{train,val}2017.json`` and the
pictures that it speaks of in ``annotations/panoptic_{train,val}2017/*.png``, where a colour is a
segment: R + 256 G + 65536 B. Source: the COCO loader of arXiv 2102.06583.

Crowds are no objects; their pixels count as background.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.cache import cache_folder
from isegm.data.places import require_path
from isegm.data.reading import CorruptSample, check_size, read_image
from isegm.data.tables import Ragged, Tables, Texts, kept_tables

STUFF, THING, CROWD = 0, 1, 2


class Segments(NamedTuple):
    """An annotation: ``H W`` label layer, 0 = nothing, segment k at k + 1; and the kind of every
    segment.
    """

    labels: np.ndarray
    kinds: np.ndarray


class CocoPanoptic:
    """The images of a split, in the order of its annotations.

    Args:
        root: the folder that holds ``train2017``, ``val2017`` and ``annotations``.
        split: ``"train2017"`` or ``"val2017"``.
        stuff_prob: probability that the stuff of an image are objects too, drawn at each reading.
        cache: where annotation tables are kept, see ``kept_tables``.

    Raises:
        IsegmError: files are missing, or the JSON is not what COCO calls panoptic.
    """

    def __init__(
        self, root: Path, split: str, stuff_prob: float = 0.0, cache: Path | None = None
    ) -> None:
        self._images, self._masks = root / split, root / "annotations" / f"panoptic_{split}"
        self._stuff_prob = stuff_prob
        path = root / "annotations" / f"panoptic_{split}.json"
        for needed in (self._images, path, self._masks):
            if not needed.exists():
                raise IsegmError(
                    f"COCO panoptic: {needed} does not exist; expected {split}/,"
                    f" annotations/{path.name} and"
                    f" annotations/{self._masks.name}/ (unpack the zip file inside"
                    " panoptic_annotations_trainval2017.zip)"
                )
        tables = kept_tables(cache, f"coco_panoptic_{split}", [path], lambda: _tables(path))
        self.names, self._mask_names = tables["names"], tables["masks"]
        self._ids, self._kinds = tables["ids"], tables["kinds"]
        self.object_count = int(np.count_nonzero(self._kinds.values() == THING))

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        """Read an image. Crowds and stuff that was not drawn keep their labels, which ``cleaned``
        erases.
        """
        path = self._images / self.names[index]
        image, segments = read_image(path), self.segments(index)
        check_size(image, segments.labels, path, self._masks / self._mask_names[index])
        wanted = segments.kinds == THING
        if self._stuff_prob > 0 and rng.random() < self._stuff_prob:
            wanted |= segments.kinds == STUFF
        objects = {int(key): ObjectInfo(0, int(key) + 1) for key in np.flatnonzero(wanted)}
        return InstanceSample(image, segments.labels[:, :, None], objects, id=str(path))

    def segments(self, index: int) -> Segments:
        """Read an annotation without its image.

        Raises:
            CorruptSample: the picture cannot be read or holds a segment that the JSON does not
                list.
        """
        path = self._masks / self._mask_names[index]
        codes = read_image(path).astype(np.int32) @ np.array([1, 256, 65536], np.int32)
        ids = self._ids[index]
        order = np.argsort(ids)
        known = np.concatenate([[0], ids[order]])
        places = np.searchsorted(known, codes).clip(max=len(ids))
        if not np.array_equal(known[places], codes):
            raise CorruptSample(
                f"{path} holds a colour that is none of the {len(ids)} segments listed for it"
            )
        labels = np.concatenate([[0], order + 1])[places]
        return Segments(
            labels.astype(np.uint8 if len(ids) < 256 else np.uint16), self._kinds[index]
        )


def coco_panoptic_images(
    cfg: EasyDict, split: str = "train2017", stuff_prob: float = 0.0
) -> CocoPanoptic:
    """``CocoPanoptic`` at ``cfg.COCO_PATH``."""
    return CocoPanoptic(
        require_path(cfg, "COCO_PATH", "COCO"), split, stuff_prob, cache_folder(cfg)
    )


def _tables(path: Path) -> Tables:
    try:
        content = json.loads(path.read_bytes())
        names = {image["id"]: image["file_name"] for image in content["images"]}
        is_thing = {category["id"]: bool(category["isthing"]) for category in content["categories"]}
        annotations = content["annotations"]
        segments = [annotation["segments_info"] for annotation in annotations]
        return {
            "names": Texts(names[annotation["image_id"]] for annotation in annotations),
            "masks": Texts(annotation["file_name"] for annotation in annotations),
            "ids": Ragged(([s["id"] for s in listed] for listed in segments), np.int32),
            "kinds": Ragged(
                ([_kind(s, is_thing) for s in listed] for listed in segments), np.uint8
            ),
        }
    except (ValueError, KeyError, TypeError) as error:
        raise IsegmError(
            f"{path} is not a COCO panoptic file ({type(error).__name__}: {error})"
        ) from None


def _kind(segment: dict[str, int], is_thing: dict[int, bool]) -> int:
    if not is_thing[segment["category_id"]]:
        return STUFF
    return CROWD if segment.get("iscrowd") else THING
