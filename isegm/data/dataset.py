"""The training data set: index -> sample -> augmented item, for all sources and methods."""

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

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample
from isegm.data.augment import Augmentation
from isegm.data.reading import CorruptSample
from isegm.data.sample_scores import SampleScores, drawn_index
from isegm.data.sampling.draw import Draw, Sampler

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


class ClickDataset(Dataset):
    """Training items. The key is a pair: ``dataset[epoch, position]`` depends on nothing but the
    seed, epoch and position.

    An item holds ``image`` (uint8 ``3 H W``, RGB), ``target`` (float32 ``1 H W``; 1, 0, -1 =
    ignored), ``yx`` (float64 ``2N 2``) and ``label`` (int64 ``2N``; the clicks in the order of
    ``Draw``: N positives, then N negatives, padding -1), and ``seed`` (int64, for whatever is
    simulated on this item later).

    Args:
        source: of the images.
        sampler: draws target and clicks.
        augment: applied to every image; None leaves images as they are.
        epoch_len: images drawn at random per epoch; None: every image once, in a different order
            each epoch.
        min_object_area: smaller objects are never targets (in pixels of the crop).
        keep_background: probability of accepting a crop without an object.
        scores: how rarely each image is drawn. With scores or ``epoch_len``, images are drawn with
            replacement.
        seed: of all randomness.

    Raises:
        IsegmError: an empty source, or a number out of its range.
    """

    def __init__(
        self,
        source: Source,
        sampler: Sampler,
        augment: Augmentation | None = None,
        epoch_len: int | None = None,
        min_object_area: int = 0,
        keep_background: float = 0.0,
        scores: SampleScores | None = None,
        seed: int = 0,
    ) -> None:
        if not len(source):
            raise IsegmError("the training data hold no image with an object")
        if epoch_len is not None and epoch_len < 1:
            raise IsegmError(
                f"epoch_len={epoch_len}: expected at least 1, or null for every image once"
            )
        if not 0 <= keep_background <= 1:
            raise IsegmError(
                f"keep_background={keep_background}: expected a probability from 0 to 1"
            )
        if seed < 0:
            raise IsegmError(f"seed={seed}: expected at least 0")
        self.source, self.sampler, self.augment = source, sampler, augment
        self.epoch_len, self.seed = epoch_len, seed
        self.min_object_area, self.keep_background = min_object_area, keep_background
        self._cumulative = None if scores is None else scores.cumulative(source)
        self._warned: set[str] = set()

    def __len__(self) -> int:
        return self.epoch_len or len(self.source)

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
                failures.append(
                    f"image {index}: no object was inside the crop in {MAX_AUGMENTATIONS} attempts"
                )
                continue
            drawn = self.sampler.draw(sample, rng)
            if drawn is not None:
                return self._item(sample, drawn, rng)
            failures.append(f"image {index}: the target was too small, or filled the crop")
        raise IsegmError(f"{MAX_DRAWS} images in a row could not be used; the last: {failures[-1]}")

    def index_of(self, epoch: int, position: int) -> int:
        """The image that an item shows, unless it is unusable and another takes its place."""
        return next(
            self._indices(epoch, position, np.random.default_rng([self.seed, epoch, position]))
        )

    def _indices(self, epoch: int, position: int, rng: np.random.Generator) -> Iterator[int]:
        """The image of a position, then others to take its place if it is unusable."""
        if self._cumulative is None and self.epoch_len is None:
            yield int(_permutation(self.seed, epoch, len(self.source))[position])
        else:
            yield self._random_index(rng)
        for _ in range(MAX_DRAWS - 1):
            yield self._random_index(rng)

    def _random_index(self, rng: np.random.Generator) -> int:
        if self._cumulative is None:
            return int(rng.integers(len(self.source)))
        return drawn_index(self._cumulative, rng)

    def _augmented(self, sample: InstanceSample, rng: np.random.Generator) -> InstanceSample | None:
        """The sample, augmented so that an object is left, or, with ``keep_background``, none; None
        if all attempts fail.
        """
        for _ in range(MAX_AUGMENTATIONS if self.augment else 1):
            made = (self.augment(sample, rng) if self.augment else sample).cleaned()
            if made.objects or rng.random() < self.keep_background:
                areas = made.areas()
                return made.without([k for k, area in areas.items() if area < self.min_object_area])
        return None

    def _item(
        self, sample: InstanceSample, drawn: Draw, rng: np.random.Generator
    ) -> dict[str, Tensor]:
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


@dataclass(frozen=True)
class TrainingData:
    """The training set of an experiment, and its validation set or None.

    Each has a length and items ``[epoch, position]``, as ``ClickDataset``.
    """

    train: Dataset
    val: Dataset | None = None


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, length: int) -> np.ndarray:
    # A trailing 0 in a seed changes nothing, so without the 1 this would be the generator of
    # position 0.
    return np.random.default_rng([seed, epoch, 0, 1]).permutation(length)
