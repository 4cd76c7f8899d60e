"""Presets per organ: the gray values of a scan to show, and the numbers of a label volume that form
the object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from isegm.core.errors import IsegmError, unknown

WINDOWS = {  # level and width in Hounsfield units, from the medical fork of another code base
    "abdomen": (40, 350),
    "lung": (-500, 1400),
    "bone": (400, 1000),
    "air": (-426, 1000),
    "brain": (50, 100),
    "mediastinum": (50, 350),
}
PERCENTILES = "percentiles"  # instead of a window, for scans without a fixed scale such as MRI
DARKEST, BRIGHTEST = 0.5, 99.5


@dataclass(frozen=True)
class Organ:
    """A preset.

    Attributes:
        name: also the name of its evaluation set.
        window: a name of ``WINDOWS``, or ``PERCENTILES``.
        labels: the numbers that form the object, by naming scheme.
    """

    name: str
    window: str
    labels: dict[str, tuple[int, ...]]


# Decathlon: the tasks of the Medical Segmentation Decathlon. Its liver contains the tumour; its
# lung labels only the tumour.
ORGANS = {
    organ.name: organ
    for organ in (
        Organ("liver", "abdomen", {"decathlon": (1, 2), "totalsegmentator": (5,)}),
        Organ("spleen", "abdomen", {"decathlon": (1,), "totalsegmentator": (1,)}),
        Organ("lung", "lung", {"decathlon": (1,), "totalsegmentator": (10, 11, 12, 13, 14)}),
        Organ("hippocampus", PERCENTILES, {"decathlon": (1, 2)}),
    )
}


def organ_named(name: str) -> Organ:
    if name not in ORGANS:
        raise unknown("organ", name, ORGANS)
    return ORGANS[name]


def parse_labels(text: str, organ: Organ) -> tuple[int, ...]:
    """The object's labels from a naming scheme of the preset, or from numbers such as ``5`` or
    ``10,11,12``.

    Raises:
        IsegmError: neither, or the number 0, which is the background.
    """
    if text in organ.labels:
        return organ.labels[text]
    numbers = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in numbers):
        raise unknown(f"labels of {organ.name} (or give numbers, e.g. 1,2)", text, organ.labels)
    labels = tuple(sorted({int(part) for part in numbers}))
    if 0 in labels:
        raise IsegmError(f"labels {text}: 0 is the background; give the numbers of the object")
    return labels


def parse_window(text: str) -> tuple[float, float] | None:
    """Lowest and highest value shown, from a name, from ``LEVEL/WIDTH``, or None for
    ``percentiles``.

    Raises:
        IsegmError: neither, or a width that is not positive.
    """
    if text == PERCENTILES:
        return None
    if text in WINDOWS:
        level, width = WINDOWS[text]
    elif numbers := re.fullmatch(r"(-?\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)", text):
        level, width = float(numbers[1]), float(numbers[2])
    else:
        raise unknown("window (or give LEVEL/WIDTH, e.g. 40/350)", text, [*WINDOWS, PERCENTILES])
    if width <= 0:
        raise IsegmError(f"window {text}: the width is {width:g}; expected more than 0")
    return level - width / 2, level + width / 2


def shown_range(values: np.ndarray, window: tuple[float, float] | None) -> tuple[float, float]:
    """The values of a volume that become 0 and 255: the ends of the window, or without one two
    percentiles of the positive values.

    Raises:
        IsegmError: no window, and no voxel is positive.
    """
    if window is not None:
        return window
    positive = values[values > 0]
    if not positive.size:
        raise IsegmError("no voxel is above 0, so there are no percentiles to take; give a window")
    low, high = np.percentile(positive, (DARKEST, BRIGHTEST))
    return float(low), float(high)


def to_gray(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Any part of a scan as uint8 of the same shape: ``low`` and below is 0, ``high`` and above
    255, NaN is 0.

    # differs from the original: it stretches the range of values found inside the window to
    0 .. 255 and truncates. Here the ends of the window are fixed and values are rounded, so that a
    Hounsfield unit has the same gray in every volume.
    """
    shown = (np.nan_to_num(np.asarray(values, np.float32), nan=low) - low) / max(high - low, 1e-6)
    return np.rint(255 * np.clip(shown, 0, 1)).astype(np.uint8)
