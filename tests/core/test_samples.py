"""Bookkeeping of objects: areas, parts and wholes, erased labels, ignored regions."""

import numpy as np
import pytest

from isegm.core.samples import InstanceSample, ObjectInfo


@pytest.fixture
def nested() -> InstanceSample:
    """A 4x6 image: object 0 holds object 1 (in the second layer), which holds object 2; object 3
    stands apart.
    """
    layers = np.zeros((4, 6, 2), np.uint8)
    layers[:, :4, 0] = 1
    layers[:2, :3, 1] = 7
    layers[:1, :1, 1] = 8
    layers[3, 5, 0] = 9
    layers[0, 5, 0] = 200
    objects = {
        0: ObjectInfo(0, 1, None, (1,)),
        1: ObjectInfo(1, 7, 0, (2,)),
        2: ObjectInfo(1, 8, 1),
        3: ObjectInfo(0, 9),
    }
    return InstanceSample(np.zeros((4, 6, 3), np.uint8), layers, objects, ignored=((0, 200),))


def test_areas_and_roots(nested: InstanceSample) -> None:
    assert nested.areas() == {0: 16, 1: 5, 2: 1, 3: 1}
    assert nested.roots == [0, 3]


def test_gt_marks_ignored_pixels(nested: InstanceSample) -> None:
    gt = nested.gt_mask(3)
    assert gt.dtype == np.int8
    assert gt[3, 5] == 1
    assert gt[0, 5] == -1
    assert (gt == 1).sum() == 1
    assert (gt == -1).sum() == 1


def test_parts_of_a_dropped_object_go_to_its_parent(nested: InstanceSample) -> None:
    without = nested.without([1])
    assert without.objects[2].parent == 0
    assert without.objects[0].children == (2,)
    assert nested.without([0, 1]).objects[2].parent is None
    assert nested.objects[2].parent == 1, "the sample itself must stay as it is"
    assert nested.without([]) is nested


def test_dropping_leaves_pixels_and_cleaning_erases_them(nested: InstanceSample) -> None:
    without = nested.without([3])
    assert without.layers[3, 5, 0] == 9
    cleaned = without.cleaned()
    assert cleaned.layers[3, 5, 0] == 0
    assert cleaned.layers[0, 5, 0] == 200, "ignored regions are kept"
    assert cleaned.layers[0, 0, 1] == 8
    assert without.layers[3, 5, 0] == 9, "the sample itself must stay as it is"


def test_cleaning_drops_objects_without_pixels(nested: InstanceSample) -> None:
    nested.layers[:, :, 1][nested.layers[:, :, 1] == 7] = 0
    assert set(nested.cleaned().objects) == {0, 2, 3}
    assert nested.cleaned().objects[2].parent == 0
