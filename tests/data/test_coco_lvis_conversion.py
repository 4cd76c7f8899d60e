"""COCO panoptic and LVIS become COCO+LVIS by RITM's rules; what is written reads back, and an
interruption costs nothing.
"""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from layouts import coco_panoptic, lvis, rectangle

from isegm.core.errors import IsegmError
from isegm.data.conversion.coco_lvis import JOURNAL, SUMMARY, Paths, convert
from isegm.data.conversion.merging import hierarchy, merged, regions
from isegm.data.sources.coco_lvis import CocoLvis

RNG = np.random.default_rng(0)


def box(*corners: int) -> np.ndarray:
    return rectangle(*corners, height=60, width=80)


class TestMerging:
    def test_small_objects_are_dropped(self) -> None:
        kept = regions([box(0, 0, 8, 10), box(0, 0, 7, 11), box(0, 0, 0, 0)])
        assert [(region.area, region.box) for region in kept] == [(80, (0, 0, 8, 10))]

    def test_lvis_has_priority_and_the_last_of_equals_stays(self) -> None:
        coco = regions([box(0, 0, 20, 20), box(30, 30, 50, 50)])
        lvis_regions = regions(
            [box(0, 0, 20, 19), box(0, 40, 20, 60), box(0, 40, 20, 59), box(0, 40, 20, 45)]
        )
        kept = merged(coco, lvis_regions)
        assert [region.box for region in kept] == [
            (30, 30, 50, 50),
            (0, 0, 20, 19),
            (0, 40, 20, 59),
            (0, 40, 20, 45),
        ]

    def test_limits_are_not_equal_for_both(self) -> None:
        pair = regions([box(0, 0, 20, 20), box(0, 0, 20, 16)])  # IoU 0.8 of boxes and masks
        assert len(merged(pair[:1], pair[1:])) == 1, "COCO: the same above 0.70"
        assert len(merged([], pair)) == 2, "LVIS: the same above 0.85"

    def test_parts_hang_on_the_deepest_whole(self) -> None:
        objects = regions(
            [
                box(8, 8, 20, 20),
                box(0, 0, 40, 40),
                box(4, 4, 30, 30),
                box(45, 45, 59, 59),
                box(0, 70, 20, 80),
            ]
        )
        assert hierarchy(objects) == {
            0: {"children": [], "parent": 2, "node_level": 2},
            1: {"children": [2], "parent": None, "node_level": 0},
            2: {"children": [0], "parent": 1, "node_level": 1},
            3: None,
            4: None,
        }

    def test_most_of_a_part_must_lie_within(self) -> None:
        inside, outside = box(0, 10, 20, 30), box(0, 14, 20, 30)
        assert hierarchy(regions([box(0, 0, 20, 26), inside])) == {0: None, 1: None}, (
            "exactly 0.8 is not enough"
        )
        assert hierarchy(regions([box(0, 0, 20, 28), outside]))[1]["parent"] == 0


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Three images of COCO, two of them in LVIS. Object 300 of COCO is object 0 of LVIS; the crowd
    is one of 32 pixels.
    """
    return Paths(
        coco_panoptic(tmp_path / "COCO"),
        lvis(tmp_path / "LVIS"),
        tmp_path / "COCO_LVIS",
        tmp_path / "cache",
    )


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".pickle", ".json")
    }


def test_conversion(paths: Paths) -> None:
    assert list(convert(paths, "train")) == [(0, 2), (1, 2), (2, 2)]
    folder = paths.output / "train"
    annotation = pickle.loads((folder / "hannotation.pickle").read_bytes())
    assert sorted(annotation) == ["000000000001", "000000000002"]
    assert annotation["000000000001"] == {"num_instance_masks": 2, "hierarchy": {0: None, 1: None}}
    source = CocoLvis(paths.output, "train")
    sample = source.read(0, RNG)
    assert sample.image.shape == (24, 32, 3), "photographs are found through the link"
    assert np.array_equal(sample.object_mask(0), rectangle(8, 18, 22, 30) > 0), "COCO's first"
    assert np.array_equal(sample.object_mask(1), rectangle(6, 2, 16, 14) > 0)
    summary = json.loads((folder / SUMMARY).read_text())
    assert (summary["images"], summary["objects"]) == (2, 4)
    assert set(summary["inputs"]) == {"lvis_v1_train.json", "panoptic_train2017.json"}
    assert not (folder / JOURNAL).exists()
    before = files(folder)
    assert list(convert(paths, "train")) == [(2, 2)], "nothing is left to do"
    assert files(folder) == before


def test_interrupted(paths: Paths) -> None:
    list(convert(paths, "train"))
    folder = paths.output / "train"
    whole = files(folder)
    for name in ("hannotation.pickle", SUMMARY):
        (folder / name).unlink()
    started = convert(paths, "train")
    assert next(started) == (0, 2)
    assert next(started) == (1, 2)
    started.close()
    with (folder / JOURNAL).open("a") as file:
        file.write('["000000000002", 2, {"0"')  # killed while writing
    assert list(convert(paths, "train")) == [(1, 2), (2, 2)]
    assert files(folder) == whole
    (folder / SUMMARY).unlink()
    started = convert(paths, "train")
    next(started), next(started)
    started.close()
    (folder / "masks" / "000000000001.pickle").unlink()
    first, *_ = convert(paths, "train")
    assert first == (0, 2), "a mask that is gone is made again"
    assert files(folder) == whole


def test_processes_write_the_same(paths: Paths, tmp_path: Path) -> None:
    list(convert(paths, "train"))
    other = Paths(paths.coco, paths.lvis, tmp_path / "other", paths.cache)
    list(convert(other, "train", workers=1))
    assert files(other.output / "train") == files(paths.output / "train")


def test_clear_errors(paths: Paths, tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match=r"no lvis_v1_val\.json|val2017 does not exist"):
        list(convert(paths, "val"))
    with pytest.raises(IsegmError, match="-1 workers: expected 0"):
        list(convert(paths, "train", workers=-1))
    started = convert(paths, "train")
    next(started), next(started)
    started.close()
    lvis(tmp_path / "LVIS", images=3)
    with pytest.raises(IsegmError, match="begun with other annotation files"):
        list(convert(paths, "train"))
    path = tmp_path / "LVIS" / "lvis_v1_train.json"
    path.write_text(path.read_text().replace("00000000000", "00000000009"))
    with pytest.raises(IsegmError, match="no image in common"):
        list(convert(paths, "train"))
