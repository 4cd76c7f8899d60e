"""Sample scores: how easy each training image is, so that easy ones are drawn rarely.

Two formats. ``sbd_samples_weights.pkl``, published with arXiv 2001.10331 and 2102.06583 for SBD: a
list of (position, image name, score). JSON: ``{"scores": {"<image name>": <score>, ...}}``, as
``isegm score-samples`` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.data.pickles import read_pickle
from isegm.data.places import require_path


@dataclass(frozen=True)
class SampleScores:
    """Images are drawn with probability ~ (1 - score)^gamma.

    Attributes:
        cfg: config.yml.
        file: of scores, a whole path or one inside the data set.
        folder: the key of config.yml that says where the data set is.
        gamma: 0 draws all images alike.
    """

    cfg: EasyDict
    file: str
    folder: str
    gamma: float = 1.25

    def cumulative(self, source: Any) -> np.ndarray:
        """The running sums for ``drawn_index``, of the images of a source.

        Raises:
            IsegmError: the source has no names of images, or the file does not suit it.
        """
        if not hasattr(source, "names"):
            raise IsegmError(
                f"{self.file}: {type(source).__name__} has no names of images that scores could"
                " belong to"
            )
        path = require_path(self.cfg, self.folder, "sample scores") / Path(self.file).expanduser()
        return cumulative(
            read_scores(path, (source.names[i] for i in range(len(source)))), self.gamma
        )


def read_scores(path: Path, names: Iterable[str]) -> np.ndarray:
    """The scores of some images, ``N`` float64 in [0, 1], in the order of ``names``; the file's own
    order does not matter.

    Raises:
        IsegmError: the file is missing or in neither format, an image has no score, or a score is
            outside [0, 1].
    """
    if not path.is_file():
        raise IsegmError(
            f"there is no file of sample scores {path}; put it there, make one with isegm"
            " score-samples, or draw all"
            " images equally often with --set data.scores=null"
        )
    try:
        content = (
            json.loads(path.read_text())["scores"]
            if path.suffix == ".json"
            else _published(read_pickle(path))
        )
        scores = {str(name): float(score) for name, score in content.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IsegmError(
            f"{path} holds no sample scores ({type(error).__name__}: {error}); expected a list of"
            " (position, image name,"
            ' score), or JSON {"scores": {"<image name>": <score>}}'
        ) from None
    names = list(names)
    if missing := [name for name in names if name not in scores]:
        raise IsegmError(
            f"{path} has no score for {len(missing)} of {len(names)} images, the first of them"
            f" {missing[0]}"
        )
    found = np.array([scores[name] for name in names])
    if not ((found >= 0) & (found <= 1)).all():
        raise IsegmError(
            f"{path}: sample scores must lie in [0, 1], found {found.min()} to {found.max()}"
        )
    return found


def _published(rows: list[tuple[int, str, float]]) -> dict[str, float]:
    return {str(name).removesuffix(".jpg"): score for _, name, score in rows}


def cumulative(scores: np.ndarray, gamma: float) -> np.ndarray:
    """Running sums, up to 1, of probabilities ~ (1 - score)^gamma; ``drawn_index`` draws from
    them.
    """
    weights = np.clip(1 - np.asarray(scores, np.float64), 0, None) ** gamma
    if not weights.sum() > 0:
        raise IsegmError("the sample scores leave no image to draw: at least one must be below 1")
    return np.cumsum(weights) / weights.sum()


def drawn_index(sums: np.ndarray, rng: np.random.Generator) -> int:
    """An index drawn with the probabilities whose running sums these are."""
    return min(int(np.searchsorted(sums, rng.random(), side="right")), len(sums) - 1)
