"""Limits on the use of the server, and checks of uploaded masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isegm.core.errors import IsegmError
from isegm.data.reading import MAX_PIXELS, decode_labels, stored_size

SPARE_THREADS = 40  # the server's default
OPENING, HISTORY = 12, 40  # bytes per pixel: of an open session, and of answers for undo


@dataclass(frozen=True)
class Limits:
    """Limits on the use of the server.

    Attributes:
        upload_bytes: of one request.
        pixels: of one image.
        sessions: open at once.
        idle_seconds: after which a session is closed.
        history_bytes: of answers that a session keeps for undo; others are computed again when
            needed.
        wait_seconds: until a request gives up waiting for its turn.
        waiting: requests of one session that may wait for an earlier one; more are refused.
        parallel: answers computed at once.
        memory_bytes: of all sessions, and of the files that are being decoded.
        connections: open at once.
        header_seconds: until a connection must have sent the headers of a request.

    Raises:
        IsegmError: a limit leaves no room at all.
    """

    upload_bytes: int = 64 << 20
    pixels: int = MAX_PIXELS
    sessions: int = 16
    idle_seconds: float = 1800
    history_bytes: int = 256 << 20
    wait_seconds: float = 120
    waiting: int = 8
    parallel: int = 1
    memory_bytes: int = 4 << 30
    connections: int = 200
    header_seconds: float = 20

    def __post_init__(self) -> None:
        sizes = ("upload_bytes", "pixels", "sessions", "idle_seconds", "wait_seconds", "parallel")
        for name in (*sizes, "memory_bytes", "connections", "header_seconds"):
            value = getattr(self, name)
            if not value > 0:
                raise IsegmError(f"the demo's limit {name} is {value}, expected more than 0")

    @property
    def threads(self) -> int:
        """Enough threads to serve pages and new sessions while every session has as many requests
        as it may: one that is answered, one replay, and those that wait. Most of them only sleep.
        """
        return SPARE_THREADS + self.sessions * (self.waiting + 2)

    def session_bytes(self, rows: int, columns: int, encoded: int) -> int:
        """The memory of a session on an image of this size, and of opening it, roughly from above:
        pixels, two answers, masks, and answers kept for undo.

        Args:
            encoded: bytes of the image file, which the session keeps.
        """
        pixels = rows * columns
        return encoded + OPENING * pixels + min(self.history_bytes, HISTORY * pixels)


def checked_mask(data: bytes, name: str, size: tuple[int, int]) -> np.ndarray:
    """Decode a mask of the image's size, ``H W`` bool: where the palette index is not 0, or the
    value is above half the largest.

    Raises:
        IsegmError: it is damaged, of an unknown format, of another size, or empty.
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
