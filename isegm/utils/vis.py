"""Pictures: a mask blended over its image, clicks as dots, a probability map in color.

All are ``H W 3`` uint8, RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.utils.files import replacing

SMALL_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 9]
POSITIVE_COLOUR, NEGATIVE_COLOUR, MASK_COLOUR = (40, 200, 60), (230, 50, 50), (40, 120, 255)


def overlay(image: np.ndarray, mask: np.ndarray, alpha: float = 0.5) -> np.ndarray:
    """The image with the bool ``H W`` mask tinted and outlined."""
    out = image.copy()
    tint = np.array(MASK_COLOUR, np.float32)
    out[mask] = ((1 - alpha) * out[mask] + alpha * tint).astype(np.uint8)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(out, contours, -1, MASK_COLOUR, thickness_for(image))


def draw_clicks(
    image: np.ndarray, clicks: Sequence[Click], radius: int | None = None
) -> np.ndarray:
    """The image with a dot per click, green on the object and red off it.

    The newest has a yellow rim.
    """
    out = np.ascontiguousarray(image).copy()
    radius = radius or max(3, min(image.shape[:2]) // 90)
    for i, click in enumerate(clicks):
        centre = (round(click.x), round(click.y))
        rim = (255, 220, 0) if i == len(clicks) - 1 else (255, 255, 255)
        cv2.circle(out, centre, radius + 2, rim, -1, cv2.LINE_AA)
        color = POSITIVE_COLOUR if click.positive else NEGATIVE_COLOUR
        cv2.circle(out, centre, radius, color, -1, cv2.LINE_AA)
    return out


def heat(prob: np.ndarray) -> np.ndarray:
    """A ``H W`` map in [0, 1] in colour."""
    scaled = np.clip(np.rint(255 * prob), 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(scaled, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)


def titled(image: np.ndarray, text: str) -> np.ndarray:
    """The image below a white strip that carries a line of text."""
    height = max(18, image.shape[0] // 18)
    strip = np.full((height, image.shape[1], 3), 255, np.uint8)
    scale = height / 34
    place, font = (4, height - height // 4), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(strip, text, place, font, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([strip, image])


def side_by_side(pictures: Sequence[np.ndarray], gap: int = 4) -> np.ndarray:
    """Pictures of equal height in a row."""
    space = np.full((pictures[0].shape[0], gap, 3), 255, np.uint8)
    row = [part for picture in pictures for part in (picture, space)]
    return np.concatenate(row[:-1], 1)


def stacked(rows: Sequence[np.ndarray], gap: int = 8) -> np.ndarray:
    """Pictures below one another, on white; narrower ones keep to the left."""
    width = max(row.shape[1] for row in rows)
    space = np.full((gap, width, 3), 255, np.uint8)
    column = []
    for row in rows:
        right = ((0, 0), (0, width - row.shape[1]), (0, 0))
        column += [np.pad(row, right, constant_values=255), space]
    return np.concatenate(column[:-1])


def to_width(image: np.ndarray, width: int) -> np.ndarray:
    """An image resized to ``width`` columns, its proportions kept; ``H W 3`` or ``H W``, uint8."""
    height, old = image.shape[:2]
    size = (width, max(1, round(height * width / old)))
    shrinks = width < old
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def write_image(path: str | Path, image: np.ndarray, small: bool = False) -> None:
    """Write RGB or single-channel uint8 as PNG or JPEG, whole or not at all.

    Args:
        small: take more time to write a smaller PNG.

    Raises:
        IsegmError: the file cannot be written, or its name ends in no known image type.
    """
    path = Path(path)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    try:
        done, data = cv2.imencode(path.suffix, bgr, SMALL_PNG if small else [])
    except cv2.error:
        done = False
    if not done:
        raise IsegmError(f"cannot write {path}: its name must end in .png or .jpg")
    with replacing(path) as partial:
        partial.write_bytes(data.tobytes())


def thickness_for(image: np.ndarray) -> int:
    return max(1, min(image.shape[:2]) // 250)
