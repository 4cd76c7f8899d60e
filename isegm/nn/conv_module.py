"""mmcv's ``ConvModule``, imported by any number of processes at once."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable

PATIENCE, PAUSE = 30.0, 0.2  # seconds


def imported(load: Callable[[], type]) -> type:
    """What ``load`` imports, tried again while another process writes a cache that it reads.

    mmcv imports yapf, which writes its grammar into the user's cache folder on the first import in
    a new environment, and not atomically. The ranks of a training and the workers of a test run
    import at the same moment, and then read half a file.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return load()
        except (EOFError, pickle.UnpicklingError):
            if time.monotonic() > end:
                raise
            time.sleep(PAUSE)


def _conv_module() -> type:
    from mmcv.cnn import ConvModule

    return ConvModule


ConvModule = imported(_conv_module)
