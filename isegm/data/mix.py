"""Several sources as one: concatenated, or each drawn with a fixed share, whatever its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample
from isegm.data.dataset import Source
from isegm.data.sample_scores import drawn_index


@dataclass(frozen=True)
class Part:
    """One source of a mix, and how often it is drawn, relative to the other parts.

    Raises:
        IsegmError: a share that is not above 0.
    """

    source: Source
    share: float

    def __post_init__(self) -> None:
        if not self.share > 0:
            raise IsegmError(
                f"share={self.share}: expected a number above 0; to leave a part out of a mix, set"
                " it to null"
            )


class Joined:
    """Several sources one after the other; every image is drawn equally often."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = list(sources)
        self._ends = np.cumsum([len(source) for source in sources])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        part = int(np.searchsorted(self._ends, index, side="right"))
        return self._sources[part].read(
            index - int(self._ends[part] - len(self._sources[part])), rng
        )


class Mix:
    """A source that draws, at every reading, a part by its share and then an image of that part.

    The image depends on ``rng`` alone, so an item of a ``ClickDataset`` still depends on nothing
    but (seed, epoch, position). The index is ignored; a data set over a mix should set
    ``epoch_len``.

    Source: arXiv 2204.02574, section 4.
    # differs from the original: it draws only from the first images of a part, as many as that
    part's epoch has (30,000 of the 99,000 of COCO+LVIS).

    Args:
        parts: None leaves a part out.

    Raises:
        IsegmError: no part is left, or the source of one is empty.
    """

    def __init__(self, parts: Sequence[Part | None]) -> None:
        kept = [part for part in parts if part is not None]
        if not kept:
            raise IsegmError("a mix needs at least one part")
        if empty := [
            i for i, part in enumerate(parts) if part is not None and not len(part.source)
        ]:
            raise IsegmError(f"part {empty[0]} of the mix holds no image")
        self._sources = [part.source for part in kept]
        shares = np.array([part.share for part in kept], np.float64)
        self._shares = np.cumsum(shares) / shares.sum()

    def __len__(self) -> int:
        return sum(len(source) for source in self._sources)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        source = self._sources[drawn_index(self._shares, rng)]
        return source.read(int(rng.integers(len(source))), rng)
