"""What a user may ask of the server, and reading the masks that users send."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isegm.core.errors import IsegmError
from isegm.data.reading import MAX_PIXELS, decode_labels, stored_size

SPARE_THREADS = 40  # what a server of this kind has by default


@dataclass(frozen=True)
class Limits:
    """Attributes:
    upload_bytes: of one request.
    pixels: of one image.
    sessions: open at once.
    idle_seconds: after which a session is closed.
    history_bytes: of answers that a session keeps for undo; older ones are computed again when
        they are wanted.
    wait_seconds: until a request gives up waiting for its turn.
    waiting: requests of one session that wait for an earlier one of it; more are refused at once.
    parallel: answers computed at once.

    Raises:
        IsegmError: nothing could be done within them.
    """

    upload_bytes: int = 64 << 20
    pixels: int = MAX_PIXELS
    sessions: int = 16
    idle_seconds: float = 1800
    history_bytes: int = 256 << 20
    wait_seconds: float = 120
    waiting: int = 8
    parallel: int = 1

    def __post_init__(self) -> None:
        for name in (
            "upload_bytes",
            "pixels",
            "sessions",
            "idle_seconds",
            "wait_seconds",
            "parallel",
        ):
            if not getattr(self, name) > 0:
                raise IsegmError(
                    f"the demo's limit {name} is {getattr(self, name)}, expected more than 0"
                )

    @property
    def threads(self) -> int:
        """So many that pages and new sessions are answered while every session has as many requests
        as it may.

        Of each session one is answered, one may be a replay, and the others wait; all of them only
        sleep most of the time.
        """
        return SPARE_THREADS + self.sessions * (self.waiting + 2)


def checked_mask(data: bytes, name: str, size: tuple[int, int]) -> np.ndarray:
    """Decode a mask of the image's size: ``H W`` bool, where a palette index is not 0 or a value
    above half the largest.

    Raises:
        IsegmError: damaged, of an unknown format, of another size, or empty.
    """
    if (stored := stored_size(data, name)) != size:
        raise IsegmError(
            f"{name} has {stored[0]} rows and {stored[1]} columns, the image {size[0]} and"
            f" {size[1]}"
        )
    labels, palette = decode_labels(data, name)
    values = labels.max(2) if labels.ndim == 3 else labels
    if values.shape != size:
        raise IsegmError(
            f"{name} is turned to {values.shape[0]} rows and {values.shape[1]} columns; save it as"
            " PNG"
        )
    mask = values > (0 if palette else values.max() // 2)
    if not mask.any():
        raise IsegmError(f"{name} is empty: no pixel belongs to an object")
    return mask
