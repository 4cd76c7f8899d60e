"""How COCO+LVIS merges the objects of both: which of two annotations of an object it keeps, and
which objects are parts of others.

Source: arXiv 2102.06583, section 4.1, and its conversion script.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

SMALLEST_OBJECT = 80  # pixels
SMALLEST_STUFF = 500  # stuff must be larger than this
BOX_IOU = 0.70
SAME_IN_BOTH, SAME_IN_LVIS = 0.70, 0.85  # mask IoU above which two annotations are of one object
PART_BOX, PART_MASK = 0.7, 0.8  # shares of a part that lie within its whole

Hierarchy = dict[int, "dict[str, Any] | None"]


class Region(NamedTuple):
    """A mask, ``H W`` bool, its area in pixels and its box (top, left, bottom, right), half
    open.
    """

    mask: np.ndarray
    area: int
    box: tuple[int, int, int, int]


def regions(masks: Sequence[np.ndarray], smallest: int = SMALLEST_OBJECT) -> list[Region]:
    """The masks of at least ``smallest`` pixels."""
    kept = []
    for mask in masks:
        mask = mask.astype(bool)
        area = int(np.count_nonzero(mask))
        if area >= max(smallest, 1):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            box = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
            kept.append(Region(mask, area, box))
    return kept


def merged(coco: Sequence[Region], lvis: Sequence[Region]) -> list[Region]:
    """The objects of COCO that LVIS lacks, then those of LVIS without duplicates (the last one
    stays).
    """
    kept = [
        region for region in coco if not any(_same(region, other, SAME_IN_BOTH) for other in lvis)
    ]
    for index, region in enumerate(lvis):
        if not any(_same(region, later, SAME_IN_LVIS) for later in lvis[index + 1 :]):
            kept.append(region)
    return kept


def hierarchy(objects: Sequence[Region]) -> Hierarchy:
    """Wholes and parts, by position: ``{"children": [...], "parent": int | None, "node_level":
    int}``, None for neither.

    An object becomes part of the deepest object, no smaller than itself, that it lies in by most of
    its box and mask.
    """
    nodes: Hierarchy = {}
    roots: list[int] = []
    for index in sorted(range(len(objects)), key=lambda i: -objects[i].area):
        wholes = (_deepest(root, index, nodes, objects) for root in roots)
        whole = next((node for node in wholes if node is not None), None)
        nodes[index] = {
            "children": [],
            "parent": whole,
            "node_level": 0 if whole is None else nodes[whole]["node_level"] + 1,
        }
        if whole is None:
            roots.append(index)
        else:
            nodes[whole]["children"].append(index)
    alone = [index for index in roots if not nodes[index]["children"]]
    return dict(sorted((nodes | dict.fromkeys(alone)).items()))


def _deepest(node: int, index: int, nodes: Hierarchy, objects: Sequence[Region]) -> int | None:
    """The node at or below ``node`` that object ``index`` is a part of; None if there is none."""
    for child in nodes[node]["children"]:
        if (node_below := _deepest(child, index, nodes, objects)) is not None:
            return node_below
    return node if _is_part(objects[index], objects[node]) else None


def _is_part(part: Region, whole: Region) -> bool:
    top, left, bottom, right = part.box
    if _box_overlap(part.box, whole.box) / ((bottom - top) * (right - left)) < PART_BOX:
        return False
    return _mask_overlap(part, whole) / part.area > PART_MASK


def _same(first: Region, second: Region, mask_iou: float) -> bool:
    """Whether two annotations are of one object. The IoU of boxes is here the product of the IoUs
    of their rows and columns.
    """
    box_iou = 1.0
    for low, high in ((0, 2), (1, 3)):
        shared = min(first.box[high], second.box[high]) - max(first.box[low], second.box[low])
        box_iou *= max(shared, 0) / (
            max(first.box[high], second.box[high]) - min(first.box[low], second.box[low])
        )
    if box_iou <= BOX_IOU:
        return False
    shared = _mask_overlap(first, second)
    return shared / (first.area + second.area - shared) > mask_iou


def _box_overlap(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    height = min(first[2], second[2]) - max(first[0], second[0])
    width = min(first[3], second[3]) - max(first[1], second[1])
    return max(height, 0) * max(width, 0)


def _mask_overlap(first: Region, second: Region) -> int:
    top, left, bottom, right = first.box
    window = np.s_[top:bottom, left:right]
    return int(np.count_nonzero(first.mask[window] & second.mask[window]))
