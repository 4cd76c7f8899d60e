"""A mix draws its parts by their shares and every image of each part."""

from collections import Counter

import numpy as np
import pytest

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.dataset import ClickDataset
from isegm.data.mix import Mix, Part
from isegm.data.sampling.multi_point import MultiPoint


class Numbered:
    """Images that say where they come from: the first pixel is (name, index // 256, index %
    256).
    """

    def __init__(self, name: int, length: int) -> None:
        self.name, self.length = name, length

    def __len__(self) -> int:
        return self.length

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        assert 0 <= index < self.length
        image = np.zeros((8, 8, 3), np.uint8)
        image[0, 0] = (self.name, index // 256, index % 256)
        return InstanceSample(image, np.ones((8, 8, 1), np.uint8), {0: ObjectInfo(0, 1)})


def where(pixel: list[int]) -> tuple[int, int]:
    name, high, low = pixel
    return name, 256 * high + low


def draws(parts: list[Part], count: int) -> list[tuple[int, int]]:
    mix, rng = Mix(parts), np.random.default_rng(0)
    return [where(mix.read(i, rng).image[0, 0].tolist()) for i in range(count)]


def epoch_of(dataset: ClickDataset, epoch: int) -> list[tuple[int, int]]:
    return [
        where(dataset[epoch, position]["image"][:, 0, 0].tolist())
        for position in range(len(dataset))
    ]


def dataset_of(parts: list[Part], epoch_len: int, seed: int = 0) -> ClickDataset:
    return ClickDataset(Mix(parts), MultiPoint(), epoch_len=epoch_len, seed=seed)


def test_shares_hold_whatever_the_sizes() -> None:
    parts = [Part(Numbered(0, 5), 0.6), Part(Numbered(1, 2000), 0.1), Part(Numbered(2, 50), 0.3)]
    counts = Counter(name for name, _ in draws(parts, 3000))
    for name, share in enumerate((0.6, 0.1, 0.3)):
        assert counts[name] == pytest.approx(3000 * share, rel=0.15)


def test_every_image_of_a_part_is_drawn() -> None:
    """Not only as many as an epoch is long, where the original stops."""
    found = {
        index
        for epoch in range(2)
        for _, index in epoch_of(dataset_of([Part(Numbered(0, 300), 1)], 20), epoch)
    }
    assert max(found) > 150
    assert {index for _, index in draws([Part(Numbered(0, 300), 1)], 4000)} == set(range(300))


def test_an_item_follows_from_seed_epoch_and_position() -> None:
    parts = [Part(Numbered(0, 40), 1), Part(Numbered(1, 9), 2)]
    first, again = dataset_of(parts, 12), dataset_of(parts, 12)
    order = epoch_of(first, 1)
    assert [where(again[1, i]["image"][:, 0, 0].tolist()) for i in reversed(range(12))] == order[
        ::-1
    ]
    assert order != epoch_of(first, 2)
    assert order != epoch_of(dataset_of(parts, 12, seed=1), 1)


@pytest.mark.parametrize("share", [0.0, -0.5])
def test_impossible_shares(share: float) -> None:
    with pytest.raises(IsegmError, match=r"share=.* set it to null"):
        Part(Numbered(0, 3), share)


def test_a_part_can_be_left_out() -> None:
    assert {
        name for name, _ in draws([Part(Numbered(0, 5), 1), None, Part(Numbered(2, 5), 1)], 50)
    } == {0, 2}
    with pytest.raises(IsegmError, match="at least one part"):
        Mix([None])


def test_an_empty_part() -> None:
    with pytest.raises(IsegmError, match="part 1 of the mix"):
        Mix([Part(Numbered(0, 3), 1), Part(Numbered(1, 0), 1)])
