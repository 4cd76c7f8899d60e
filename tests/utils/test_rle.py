"""Runs: there and back, as pycocotools reads them, and nothing that is no mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from isegm.core.errors import IsegmError
from isegm.utils import rle


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_there_and_back(share: float) -> None:
    mask = np.random.default_rng(0).random((13, 7)) < share
    runs = rle.encode(mask)
    assert (rle.decode(runs, (13, 7)) == mask).all()
    assert (coco_mask.decode(coco_mask.frPyObjects(runs, 13, 7)).astype(bool) == mask).all()


def test_columns_come_first() -> None:
    mask = np.array([[True, False], [True, True]])
    assert rle.encode(mask) == {"size": [2, 2], "counts": [0, 2, 1, 1]}


@pytest.mark.parametrize(
    "runs",
    [
        None,
        [],
        {"size": [2, 2]},
        {"size": [2, 2], "counts": "abc"},
        {"size": [2, 2], "counts": [3]},
        {"size": [2, 2], "counts": [5]},
        {"size": [2, 2], "counts": [-1, 5]},
        {"size": [2, 2], "counts": [True, 3]},
        {"size": [2, 2], "counts": [1.0, 3]},
        {"size": [4, 1], "counts": [4]},
    ],
)
def test_what_is_no_mask_is_refused(runs: Any) -> None:
    with pytest.raises(IsegmError):
        rle.decode(runs, (2, 2))
