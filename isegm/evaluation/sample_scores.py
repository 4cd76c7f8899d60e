"""Sample scores from an evaluation of the training images: how well a network does on each."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from isegm.core.errors import IsegmError
from isegm.evaluation.results import DatasetResult


def sample_scores(result: DatasetResult, clicks: int) -> dict[str, float]:
    """The score of every image: the mean IoU of its objects after this many clicks.

    An object that finished earlier has its last IoU. An image without an evaluated object gets 1,
    so that it is never drawn.

    # differs from the original: how the published ``sbd_samples_weights.pkl`` was computed is not
    known. This definition has the same meaning: 1 = solved, and drawn rarely.

    Args:
        result: of a set whose ids are ``<image name>_<object>``, as in ``SBD_Train``.
        clicks: at least 1.

    Raises:
        IsegmError: fewer than one click, or ids of another form.
    """
    if clicks < 1:
        raise IsegmError(f"sample scores after {clicks} clicks: expected at least 1")
    ious = defaultdict(list)
    for record in result.objects:
        ious[_image(record.id, result.name)].append(record.ious[min(clicks, len(record.ious)) - 1])
    scores = {_image(id_, result.name): 1.0 for id_, _ in result.skipped}
    return scores | {name: float(np.clip(np.mean(values), 0, 1)) for name, values in ious.items()}


def _image(id_: str, dataset: str) -> str:
    name, underscore, _ = id_.rpartition("_")
    if not underscore:
        raise IsegmError(
            f"{dataset} has the sample {id_!r}; expected ids like <image name>_<object>, as those"
            " of SBD_Train"
        )
    return name
