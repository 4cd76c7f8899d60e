"""Several sources as one: each is drawn with a fixed share, whatever its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample
from isegm.data.dataset import Source, cumulative, drawn


@dataclass(frozen=True)
class Part:
    """One source of a mix.

    Attributes:
        source: where its images come from.
        share: how often it is drawn, relative to the other parts.
        scores: a score in [0, 1] per image; high scores are drawn rarely. None: all images alike.
        score_gamma: images are drawn with probability ~ (1 - score)^score_gamma.
    """

    source: Source
    share: float
    scores: np.ndarray | None = None
    score_gamma: float = 1.0


class Joined:
    """Several sources one after the other, every image of each as often as any other."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self._ends = np.cumsum([len(source) for source in sources])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        part = int(np.searchsorted(self._ends, index, side="right"))
        return self._sources[part].read(index - int(self._ends[part] - len(self._sources[part])), rng)


class ProportionalMix:
    """A source whose every reading draws a part by its share, then one of all the images of that part.

    Which image is read follows from ``rng`` alone, so an item of a ``ClickDataset`` still depends on nothing but (seed, epoch,
    position). The index only counts; a data set over a mix should have an ``epoch_len`` of its own.

    Source: the "comb" data of FocalClick (arXiv 2204.02574, section 4).
    # differs from the original: it draws from the first images of a part only, as many as that part's epoch is long (30,000 of
    # the 99,000 of COCO+LVIS), and forgets the scores of parts.

    Raises:
        IsegmError: no part, a negative share, no share above 0, an empty source.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        shares = np.array([part.share for part in parts], np.float64)
        if not len(parts) or (shares < 0).any() or not shares.sum() > 0:
            raise IsegmError(f"the shares of a mix must be at least 0 and not all 0, got {shares.tolist()}")
        if empty := [i for i, part in enumerate(parts) if not len(part.source)]:
            raise IsegmError(f"part {empty[0]} of the mix holds no image")
        self._sources = [part.source for part in parts]
        self._shares = np.cumsum(shares) / shares.sum()
        self._images = [
            None if part.scores is None else cumulative(part.scores, part.score_gamma, len(part.source)) for part in parts
        ]

    def __len__(self) -> int:
        return sum(len(source) for source in self._sources)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        part = drawn(self._shares, rng)
        source, images = self._sources[part], self._images[part]
        return source.read(int(rng.integers(len(source))) if images is None else drawn(images, rng), rng)
