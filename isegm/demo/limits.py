"""What a user may ask of the server, and reading what users send: image and mask files that nobody vouches for."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image

from isegm.core.errors import IsegmError
from isegm.data.reading import decode_image, decode_labels

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")


@dataclass(frozen=True)
class Limits:
    """Attributes:
    upload_bytes: of one request.
    pixels: of one image.
    sessions: open at once.
    idle_seconds: after which a session is closed.
    history_bytes: of answers that a session keeps for undo; older ones are computed again when they are wanted.
    wait_seconds: until a request gives up waiting for its turn.
    parallel: answers computed at once.
    """

    upload_bytes: int = 64 << 20
    pixels: int = 50_000_000
    sessions: int = 16
    idle_seconds: float = 1800
    history_bytes: int = 256 << 20
    wait_seconds: float = 120
    parallel: int = 1


def checked_image(data: bytes, name: str, pixels: int) -> np.ndarray:
    """Decode an image: ``H W 3`` uint8 RGB. Its size is read from the header before anything is decoded.

    Raises:
        IsegmError: damaged, of an unknown format, or of more pixels than allowed.
    """
    rows, columns = _header_size(data, name)
    if rows * columns > pixels:
        raise IsegmError(f"{name} has {columns} x {rows} pixels; at most {pixels:,} pixels are accepted here")
    return decode_image(data, name)


def checked_mask(data: bytes, name: str, size: tuple[int, int]) -> np.ndarray:
    """Decode a mask of the image's size: ``H W`` bool, where a palette index is not 0 or a value above half the largest.

    Raises:
        IsegmError: damaged, of an unknown format, of another size, or empty.
    """
    if (stored := _header_size(data, name)) != size:
        raise IsegmError(f"{name} has {stored[0]} rows and {stored[1]} columns, the image {size[0]} and {size[1]}")
    labels, palette = decode_labels(data, name)
    values = labels.max(2) if labels.ndim == 3 else labels
    if values.shape != size:
        raise IsegmError(f"{name} is turned to {values.shape[0]} rows and {values.shape[1]} columns; save it as PNG")
    mask = values > (0 if palette else values.max() // 2)
    if not mask.any():
        raise IsegmError(f"{name} is empty: no pixel belongs to an object")
    return mask


def _header_size(data: bytes, name: str) -> tuple[int, int]:
    """Rows and columns, without decoding anything."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as header:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return header.size[1], header.size[0]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise IsegmError(f"{name} is no image that can be read; expected one of {', '.join(FORMATS)}") from None
