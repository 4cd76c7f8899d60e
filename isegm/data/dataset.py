"""The training data set: index -> sample -> augmented item. One class for every source and every method."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from isegm.core.clicks import PADDING
from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample
from isegm.data.augment import Augmentation
from isegm.data.point_sampler import Draw, SamplerConfig, draw
from isegm.data.reading import CorruptSample
from isegm.utils.regions import without_small_regions

log = logging.getLogger("isegm")

MAX_DRAWS = 30  # images tried for one item
MAX_AUGMENTATIONS = 30  # augmentations tried for one image


class Source(Protocol):
    """A folder, an archive or a generator of annotated images."""

    def __len__(self) -> int: ...

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        """Read image ``index``; ``rng`` serves random choices among its annotations.

        Raises:
            CorruptSample: this image or its annotation cannot be used.
        """


@dataclass(frozen=True)
class ItemSettings:
    """How items are drawn from a source.

    Attributes:
        epoch_len: images drawn at random per epoch; at most 0 = every image once, in a new order each epoch.
        min_object_area: smaller objects are no targets (in pixels of the crop).
        keep_background_prob: probability to accept a crop that holds no object; negative = always.
        score_gamma: with sample scores, images are drawn with probability ~ (1 - score)^score_gamma.
        min_region: regions of the drawn target with fewer pixels become background, and positive clicks on them are dropped; an
            image whose target is then smaller than ``min_object_area`` is not used (FocalClick: 900). 0 = off.
        max_share: an image whose target fills this share of it or more is not used (FocalClick: 0.85).
            # differs from the original: there, clicks may stay on regions that were removed.
    """

    epoch_len: int = 0
    min_object_area: int = 0
    keep_background_prob: float = 0.0
    score_gamma: float = 1.0
    min_region: int = 0
    max_share: float = 1.0


class ClickDataset(Dataset):
    """Training items. Its key is a pair: ``dataset[epoch, position]`` depends on the seed, epoch and position alone.

    An item holds ``image`` (uint8 ``3 H W``, RGB), ``target`` (float32 ``1 H W``; 1, 0, -1 = ignored), ``yx`` (float64
    ``2N 2``) and ``label`` (int64 ``2N``; N positives, then N negatives, padding -1), and ``seed`` (int64, for whatever is
    simulated on this item later).

    Args:
        source: where images come from.
        sampler: how target and clicks are drawn.
        augment: applied to every image; None leaves images as they are.
        settings: how images are drawn.
        seed: of everything random.
        scores: a score in [0, 1] per image; high scores are drawn rarely. Then, or with ``epoch_len``, drawing is with
            replacement.
    """

    def __init__(
        self,
        source: Source,
        sampler: SamplerConfig,
        augment: Augmentation | None,
        settings: ItemSettings,
        seed: int = 0,
        scores: np.ndarray | None = None,
    ) -> None:
        if not len(source):
            raise IsegmError("the training data hold no image with an object")
        self.source = source
        self.sampler = sampler
        self.augment = augment
        self.settings = settings
        self.seed = seed
        self._cumulative = None if scores is None else cumulative(scores, settings.score_gamma, len(source))
        self._warned: set[str] = set()

    def __len__(self) -> int:
        return self.settings.epoch_len if self.settings.epoch_len > 0 else len(self.source)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Tensor]:
        """Make an item.

        Raises:
            IsegmError: 30 images in a row were unreadable or showed no object.
        """
        epoch, position = key
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} of an epoch of {len(self)}")
        rng = np.random.default_rng([self.seed, epoch, position])
        failures: list[str] = []
        for index in self._indices(epoch, position, rng):
            try:
                sample = self._augmented(self.source.read(index, rng), rng)
            except CorruptSample as error:
                self._warn_once(str(error))
                failures.append(str(error))
                continue
            if sample is None:
                failures.append(f"image {index}: no object was inside the crop in {MAX_AUGMENTATIONS} attempts")
                continue
            drawn = draw(sample, self.sampler, rng)
            if self.settings.min_region or self.settings.max_share < 1:
                drawn = in_regions(drawn, self.settings)
            if drawn is not None:
                return self._item(sample, drawn, rng)
            failures.append(f"image {index}: the target was too small, or filled the crop")
        raise IsegmError(f"{MAX_DRAWS} images in a row could not be used; the last: {failures[-1]}")

    def index_of(self, epoch: int, position: int) -> int:
        """The image that an item shows, unless that cannot be used and another takes its place."""
        return next(self._indices(epoch, position, np.random.default_rng([self.seed, epoch, position])))

    def _indices(self, epoch: int, position: int, rng: np.random.Generator) -> Iterator[int]:
        """The image of a position, and others to take its place if it cannot be used."""
        if self._cumulative is None and self.settings.epoch_len <= 0:
            yield int(_permutation(self.seed, epoch, len(self.source))[position])
        else:
            yield self._random_index(rng)
        for _ in range(MAX_DRAWS - 1):
            yield self._random_index(rng)

    def _random_index(self, rng: np.random.Generator) -> int:
        if self._cumulative is None:
            return int(rng.integers(len(self.source)))
        return drawn(self._cumulative, rng)

    def _augmented(self, sample: InstanceSample, rng: np.random.Generator) -> InstanceSample | None:
        """The sample augmented so that an object is left, or, by chance, none is; None if that does not come about."""
        keep = self.settings.keep_background_prob
        for _ in range(MAX_AUGMENTATIONS if self.augment else 1):
            made = (self.augment(sample, rng) if self.augment else sample).cleaned()
            if made.objects or keep < 0 or rng.random() < keep:
                areas = made.areas()
                return made.without([k for k, area in areas.items() if area < self.settings.min_object_area])
        return None

    def _item(self, sample: InstanceSample, drawn: Draw, rng: np.random.Generator) -> dict[str, Tensor]:
        return {
            "image": torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1))),
            "target": torch.from_numpy(drawn.target)[None],
            "yx": torch.from_numpy(drawn.yx),
            "label": torch.from_numpy(drawn.label),
            "seed": torch.tensor(rng.integers(2**63), dtype=torch.int64),
        }

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            log.warning("%s; another image takes its place", message)


def in_regions(drawn: Draw, settings: ItemSettings) -> Draw | None:
    """A target without its small regions and the positive clicks on these; None if it is then too small or too large."""
    target, yx, label = drawn.target.copy(), drawn.yx.copy(), drawn.label.copy()
    mask = target > 0
    kept = without_small_regions(mask, settings.min_region) if settings.min_region else mask
    area = np.count_nonzero(kept)
    if not settings.min_object_area < area < settings.max_share * mask.size:
        return None
    target[mask & ~kept] = 0
    n = len(label) // 2
    y, x = yx[:n].astype(int).T
    on = (label[:n] == 1) & kept[y, x]
    yx[:n], label[:n] = -1, PADDING
    yx[: on.sum()], label[: on.sum()] = drawn.yx[:n][on], 1
    return Draw(target, yx, label) if on.any() else None


@dataclass(frozen=True)
class TrainingData:
    """What an experiment trains on, and what it is checked on during training (None: nothing)."""

    train: ClickDataset
    val: ClickDataset | None = None


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, length: int) -> np.ndarray:
    # A trailing 0 in a seed changes nothing, so without the 1 this would be the generator of position 0.
    return np.random.default_rng([seed, epoch, 0, 1]).permutation(length)


def cumulative(scores: np.ndarray, gamma: float, length: int) -> np.ndarray:
    """Running sums, up to 1, of probabilities ~ (1 - score)^gamma for ``length`` images; ``drawn`` draws from them."""
    if len(scores) != length:
        raise IsegmError(f"there are {len(scores)} sample scores for {length} images; they must belong to the same list")
    weights = np.clip(1 - np.asarray(scores, np.float64), 0, None) ** gamma
    if not weights.sum() > 0:
        raise IsegmError("the sample scores leave no image to draw: at least one must be below 1")
    return np.cumsum(weights) / weights.sum()


def drawn(sums: np.ndarray, rng: np.random.Generator) -> int:
    """An index drawn with the probabilities whose running sums these are."""
    return min(int(np.searchsorted(sums, rng.random(), side="right")), len(sums) - 1)
