"""Label maps in untrusted MATLAB files, with one clear error for a bad one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from isegm.data.reading import CorruptSample


def label_maps(
    path: Path,
    what: str,
    variable: str,
    pick: Callable[[Any], Iterable[np.ndarray]],
    most: int = 255,
) -> list[np.ndarray]:
    """Read the label maps of one file.

    Args:
        what: the data set and the field of the labels, for messages.
        variable: the variable of the file that holds them.
        pick: extracts the label maps from that variable.
        most: the largest label allowed.

    Returns:
        At least one ``H W`` array, uint8 if ``most`` fits, else uint16.

    Raises:
        CorruptSample: the file is missing, damaged, or holds something else.
    """
    try:
        maps = list(pick(scipy.io.loadmat(path, variable_names=[variable])[variable]))
    except OSError as error:
        raise CorruptSample(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged file can make the reader raise anything
        reason = f"{type(error).__name__}: {error}"
        raise CorruptSample(f"{path} is not an annotation of {what} ({reason})") from None
    if not maps:
        raise CorruptSample(f"{path} is not an annotation of {what}: it holds no label map")
    return [_checked(labels, path, what, most) for labels in maps]


def _checked(labels: Any, path: Path, what: str, most: int) -> np.ndarray:
    numbers = isinstance(labels, np.ndarray) and labels.dtype.kind in "ui"
    if not (numbers and labels.ndim == 2 and labels.size):
        raise CorruptSample(f"{path} is not an annotation of {what}: no table of whole numbers")
    if labels.min() < 0 or labels.max() > most:
        raise CorruptSample(
            f"{path} holds labels from {labels.min()} to {labels.max()}; expected 0 to {most}"
        )
    return labels.astype(np.uint8 if most <= 255 else np.uint16, order="C")
