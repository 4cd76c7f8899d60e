"""Organs: windows of gray values, and labels."""

import numpy as np
import pytest

from isegm.core.errors import IsegmError
from isegm.data.medical.organs import ORGANS, parse_labels, parse_window, shown_range, to_gray


def test_windows() -> None:
    assert parse_window("lung") == (-1200, 200)
    assert parse_window("abdomen") == parse_window("40/350") == (-135, 215)
    assert parse_window("percentiles") is None
    values = np.array([-1000, -135, 40, 215, 3000, np.nan])
    assert to_gray(values, -135, 215).tolist() == [0, 0, 128, 255, 255, 0]
    with pytest.raises(IsegmError, match="did you mean lung"):
        parse_window("lungs")
    with pytest.raises(IsegmError, match="width"):
        parse_window("40/0")


def test_percentiles_are_those_of_positive_voxels() -> None:
    values = np.concatenate([np.zeros(5000), np.arange(1, 1002)])
    gray = to_gray(values, *shown_range(values, None))
    assert (gray[:5000] == 0).all()
    low, high = 6, 996  # half a percent of 1000 from either end
    assert gray[5000 + np.array([low - 1, 500, high - 1])].tolist() == [0, 128, 255]
    with pytest.raises(IsegmError, match="no voxel is above 0"):
        shown_range(np.zeros(3), None)


def test_presets_and_labels() -> None:
    assert parse_labels("decathlon", ORGANS["liver"]) == (1, 2)  # the tumour is a part of the liver
    assert parse_labels("totalsegmentator", ORGANS["lung"]) == (10, 11, 12, 13, 14)
    assert parse_labels("5, 3", ORGANS["liver"]) == (3, 5)
    with pytest.raises(IsegmError, match="background"):
        parse_labels("0,1", ORGANS["liver"])
    with pytest.raises(IsegmError, match="did you mean decathlon"):
        parse_labels("decatlon", ORGANS["liver"])
    for organ in ORGANS.values():
        parse_window(organ.window)
