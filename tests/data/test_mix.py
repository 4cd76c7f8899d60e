"""A mix draws its parts by their shares and every image of each part."""

from collections import Counter

import numpy as np
import pytest

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.dataset import ClickDataset, ItemSettings
from isegm.data.mix import Part, ProportionalMix
from isegm.data.point_sampler import SamplerConfig


class Numbered:
    """Images that say where they come from: the first pixel is (name, index // 256, index % 256)."""

    def __init__(self, name: int, length: int) -> None:
        self.name, self.length = name, length

    def __len__(self) -> int:
        return self.length

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        assert 0 <= index < self.length
        image = np.zeros((8, 8, 3), np.uint8)
        image[0, 0] = (self.name, index // 256, index % 256)
        return InstanceSample(image, np.ones((8, 8, 1), np.uint8), {0: ObjectInfo(0, 1)})


def draws(dataset: ClickDataset, epoch: int = 0) -> list[tuple[int, int]]:
    pixels = [dataset[epoch, position]["image"][:, 0, 0].tolist() for position in range(len(dataset))]
    return [(name, 256 * high + low) for name, high, low in pixels]


def dataset_of(parts: list[Part], epoch_len: int, seed: int = 0) -> ClickDataset:
    return ClickDataset(ProportionalMix(parts), SamplerConfig(), None, ItemSettings(epoch_len=epoch_len), seed)


def test_shares_hold_whatever_the_sizes() -> None:
    parts = [Part(Numbered(0, 5), 0.6), Part(Numbered(1, 2000), 0.1), Part(Numbered(2, 50), 0.3)]
    counts = Counter(name for name, _ in draws(dataset_of(parts, 3000)))
    for name, share in enumerate((0.6, 0.1, 0.3)):
        assert counts[name] == pytest.approx(3000 * share, rel=0.15)


def test_every_image_of_a_part_is_drawn() -> None:
    """Also beyond the length of an epoch, where the original stops."""
    found = {index for name, index in draws(dataset_of([Part(Numbered(0, 300), 1), Part(Numbered(1, 10), 1)], 200)) if not name}
    assert max(found) > 250
    everything = {index for epoch in range(20) for name, index in draws(dataset_of([Part(Numbered(0, 300), 1)], 200), epoch)}
    assert everything == set(range(300))


def test_an_item_follows_from_seed_epoch_and_position() -> None:
    parts = [Part(Numbered(0, 40), 1), Part(Numbered(1, 9), 2)]
    first, again = dataset_of(parts, 50), dataset_of(parts, 50)
    backwards = [draws(again, 1)[i] for i in reversed(range(50))]
    assert draws(first, 1) == backwards[::-1]
    assert draws(first, 1) != draws(first, 2)
    assert draws(first, 1) != draws(dataset_of(parts, 50, seed=1), 1)


def test_scores_of_a_part_count() -> None:
    part = Part(Numbered(0, 4), 1, scores=np.array([1.0, 0.9, 0.1, 1.0]), score_gamma=2)
    counts = Counter(index for _, index in draws(dataset_of([part], 400)))
    assert set(counts) == {1, 2}
    assert counts[2] > 20 * counts[1]


@pytest.mark.parametrize("shares", [[], [0.0, 0.0], [1.0, -0.5]])
def test_impossible_shares(shares: list[float]) -> None:
    with pytest.raises(IsegmError, match="shares"):
        ProportionalMix([Part(Numbered(0, 3), share) for share in shares])


def test_an_empty_part() -> None:
    with pytest.raises(IsegmError, match="part 1 of the mix"):
        ProportionalMix([Part(Numbered(0, 3), 1), Part(Numbered(1, 0), 1)])
