"""Pasted scenes: what is drawn where, that labels and pixels agree, and sources of all kinds."""

import numpy as np
import pytest

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.pasted import PastedScenes


class Squares:
    """Images of one color each, 10, 20, ...; a square 100 brighter in the middle is the object."""

    def __init__(self, length: int = 5, ignored: bool = False, objects: int = 1) -> None:
        self.length, self.ignored, self.objects = length, ignored, objects

    def __len__(self) -> int:
        return self.length

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        image = np.full((40, 60, 3), 10 * (index + 1), np.uint8)
        layers = np.zeros((40, 60, 1), np.uint16)
        image[12:28, 22:38] += 100
        layers[12:28, 22:38] = 7 if self.objects else 0
        layers[:4] = 9 if self.ignored else 0
        # Objects 2, 3, ... have no pixels, as faulty annotations do.
        objects = {3 + i: ObjectInfo(0, 7 + 10 * i) for i in range(self.objects)}
        return InstanceSample(image, layers, objects, ((0, 9),) if self.ignored else (), f"{index}")


def scenes(seeds: int = 40, **settings: object) -> list[InstanceSample]:
    source = settings.pop("source", Squares())
    pasted = PastedScenes(source, **settings)
    return [pasted.read(0, np.random.default_rng(seed)) for seed in range(seeds)]


def test_scenes_show_several_objects() -> None:
    made = scenes()
    counts = {len(scene.objects) for scene in made}
    assert {2, 3, 4} <= counts <= {1, 2, 3, 4}  # its own and up to three more; some are covered
    for scene in made:
        assert scene.id == "0"
        assert all(area > 0 for area in scene.areas().values())
        assert scene.layers.shape == (40, 60, 1)
        assert scene.image.dtype == scene.layers.dtype == np.uint8
    assert {len(s.objects) for s in scenes(most=1)} <= {1, 2}


def test_labels_lie_where_the_pixels_were_pasted() -> None:
    """Objects are at least 100 brighter than any ground, so brightness tells them apart."""
    for scene in scenes():
        drawn = scene.layers[:, :, 0] > 0
        bright = scene.image[:, :, 0] >= 110
        assert (drawn == bright).mean() > 0.97  # edges are mixed


def test_sizes_of_pasted_objects() -> None:
    for scene in scenes(most=1, least_share=0.5, most_share=0.5):
        pasted = scene.layers[:, :, 0] == max(scene.objects)
        if pasted[1:-1, 1:-1].sum() == pasted.sum():  # it lies inside the image
            rows, columns = np.nonzero(pasted)
            assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == pytest.approx(30, abs=1)


def test_a_reading_depends_on_the_generator_alone_and_leaves_the_source_alone() -> None:
    source = Squares()
    pasted = PastedScenes(source)
    first, again = (pasted.read(1, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.layers, again.layers)
    assert not np.array_equal(first.image, pasted.read(1, np.random.default_rng(4)).image)
    assert len(pasted) == len(source) == 5


def test_unknown_truth_stays_unknown_unless_it_is_covered() -> None:
    covered = 0
    for scene in scenes(source=Squares(ignored=True)):
        ignored = scene.ignore_mask()
        assert not ignored[4:].any()
        drawn = (scene.layers[:4, :, 0] > 0) & ~ignored[:4]
        assert (ignored[:4] | drawn).all()
        covered += drawn.any()
        assert len(scene.objects) == len(np.unique(scene.layers[scene.layers > 0])) - 1
    assert covered


@pytest.mark.parametrize("objects", [0, 3])
def test_images_without_objects_and_objects_without_pixels(objects: int) -> None:
    counts = {len(scene.objects) for scene in scenes(source=Squares(objects=objects))}
    assert counts <= ({0} if objects == 0 else {1, 2, 3, 4})
    assert max(counts) == (0 if objects == 0 else 4)


def test_more_objects_than_8_bits_can_number() -> None:
    class Crowd(Squares):
        def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
            layers = np.arange(1, 2401, dtype=np.uint16).reshape(40, 60, 1)
            objects = {i: ObjectInfo(0, i) for i in range(1, 2401)}
            return InstanceSample(np.zeros((40, 60, 3), np.uint8), layers, objects)

    scene = PastedScenes(Crowd(), most=1).read(0, np.random.default_rng(0))
    assert scene.layers.dtype == np.uint16
    assert max(scene.objects) == 2402  # 2401 stands for unknown truth
    assert len(scene.objects) > 1000


@pytest.mark.parametrize(
    "settings", [{"most": 0}, {"least_share": 0}, {"least_share": 0.5, "most_share": 0.4}]
)
def test_impossible_settings(settings: dict[str, float]) -> None:
    with pytest.raises(IsegmError, match="expected most >= 1 and 0 < least_share <= most_share"):
        PastedScenes(Squares(), **settings)
