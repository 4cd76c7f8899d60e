"""What data sets return: one image and the truth about its objects."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np

IGNORE = -1


@dataclass(frozen=True)
class Sample:
    """One image and one object, for evaluation.

    Attributes:
        image: ``H W 3`` uint8, RGB.
        gt: ``H W`` int8, 1 = object, 0 = background, -1 = ignored.
        id: unique within its data set, e.g. the file stem.
        init_mask: ``H W`` float32 in [0, 1], the initial mask, or None.
        picture: the photograph it is from, where ids do not tell: objects of one photograph are not
            independent, and intervals draw photographs.
    """

    image: np.ndarray
    gt: np.ndarray
    id: str
    init_mask: np.ndarray | None = None
    picture: str = ""


@dataclass(frozen=True)
class ObjectInfo:
    """The pixels of an object, ``layers[:, :, layer] == label``, and its parts and whole."""

    layer: int
    label: int
    parent: int | None = None
    children: tuple[int, ...] = ()


@dataclass(frozen=True)
class InstanceSample:
    """One image and all its objects, for training.

    Attributes:
        image: ``H W 3`` uint8, RGB.
        layers: ``H W L`` uint8 or uint16; objects that overlap are drawn in different layers; 0 =
            no object.
        objects: the objects by key.
        ignored: ``(layer, label)`` of every region where the truth is unknown.
        id: for messages, e.g. the path of the image.
    """

    image: np.ndarray
    layers: np.ndarray
    objects: dict[int, ObjectInfo]
    ignored: tuple[tuple[int, int], ...] = field(default=())
    id: str = ""

    @property
    def roots(self) -> list[int]:
        """The keys of the objects that are part of no other object."""
        return [key for key, info in self.objects.items() if info.parent is None]

    def object_mask(self, key: int) -> np.ndarray:
        """``H W`` bool: the pixels of an object."""
        info = self.objects[key]
        return self.layers[:, :, info.layer] == info.label

    def ignore_mask(self) -> np.ndarray:
        """``H W`` bool: the pixels where the truth is unknown."""
        mask = np.zeros(self.layers.shape[:2], bool)
        for layer, label in self.ignored:
            mask |= self.layers[:, :, layer] == label
        return mask

    def gt_mask(self, key: int) -> np.ndarray:
        """``H W`` int8: 1 = the object, 0 = everything else, -1 = ignored (also where the object
        lies under it).
        """
        gt = self.object_mask(key).astype(np.int8)
        if self.ignored:
            gt[self.ignore_mask()] = IGNORE
        return gt

    def areas(self) -> dict[int, int]:
        """The number of pixels of every object."""
        counts = self._counts()
        return {key: int(counts[info.layer][info.label]) for key, info in self.objects.items()}

    def without(self, keys: Collection[int]) -> InstanceSample:
        """Drop objects from the mapping, leaving their pixels; the parts of a dropped object become
        parts of its parent.
        """
        keys = set(keys)
        if not keys:
            return self

        def surviving(key: int | None) -> int | None:
            while key is not None and key in keys:
                key = self.objects[key].parent
            return key

        parents = {
            key: surviving(info.parent) for key, info in self.objects.items() if key not in keys
        }
        children: dict[int, list[int]] = {key: [] for key in parents}
        for key, parent in parents.items():
            if parent is not None:
                children[parent].append(key)
        objects = {
            key: replace(self.objects[key], parent=parent, children=tuple(children[key]))
            for key, parent in parents.items()
        }
        return replace(self, objects=objects)

    def cleaned(self) -> InstanceSample:
        """Drop objects without pixels and erase labels that belong to no object and to no ignored
        region.
        """
        counts = self._counts()
        kept = self.without(
            [key for key, info in self.objects.items() if not counts[info.layer][info.label]]
        )
        known = [np.zeros_like(count, bool) for count in counts]
        drawn = [(info.layer, info.label) for info in kept.objects.values()]
        for layer, label in [*kept.ignored, *drawn]:
            known[layer][label] = True
        layers = self.layers
        for index, (count, is_known) in enumerate(zip(counts, known, strict=True)):
            if count[1:][~is_known[1:]].any():
                layers = layers.copy() if layers is self.layers else layers
                layers[:, :, index] *= is_known[layers[:, :, index]]
        return replace(kept, layers=layers)

    def _counts(self) -> list[np.ndarray]:
        """For every layer the number of pixels of every label its type can hold."""
        length = int(np.iinfo(self.layers.dtype).max) + 1
        return [
            np.bincount(self.layers[:, :, i].ravel(), minlength=length)
            for i in range(self.layers.shape[2])
        ]
