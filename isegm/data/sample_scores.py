"""Sample scores: how easy each training image is, so that easy ones are drawn rarely (f-BRS and RITM on SBD).

Two formats. ``sbd_samples_weights.pkl``, published with f-BRS and RITM: a list of (position, image name, score). JSON:
``{"scores": {"<image name>": <score>, ...}}``, as ``isegm score-samples`` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from isegm.core.errors import IsegmError
from isegm.data.pickles import read_pickle


def read_scores(path: Path, names: Iterable[str]) -> np.ndarray:
    """The scores of some images, ``N`` float64 in [0, 1], in the order of ``names``; the file's own order does not matter.

    Raises:
        IsegmError: the file is missing or in neither format, an image has no score, or a score is outside [0, 1].
    """
    if not path.is_file():
        raise IsegmError(
            f"there is no file of sample scores {path}; put it there, make one with isegm score-samples, or draw all"
            " images equally often with --set data.sample_scores=null"
        )
    try:
        content = json.loads(path.read_text())["scores"] if path.suffix == ".json" else _published(read_pickle(path))
        scores = {str(name): float(score) for name, score in content.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IsegmError(
            f"{path} holds no sample scores ({type(error).__name__}: {error}); expected a list of (position, image name,"
            ' score), or JSON {"scores": {"<image name>": <score>}}'
        ) from None
    names = list(names)
    if missing := [name for name in names if name not in scores]:
        raise IsegmError(f"{path} has no score for {len(missing)} of {len(names)} images, the first of them {missing[0]}")
    found = np.array([scores[name] for name in names])
    if not ((found >= 0) & (found <= 1)).all():
        raise IsegmError(f"{path}: sample scores must lie in [0, 1], found {found.min()} to {found.max()}")
    return found


def _published(rows: list[tuple[int, str, float]]) -> dict[str, float]:
    return {str(name).removesuffix(".jpg"): score for _, name, score in rows}
