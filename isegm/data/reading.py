"""Reading image and mask files: the same picture always gives the same arrays, a bad file one clear
error that names it.

Images and masks of every format are turned by their EXIF orientation, and only ``_turned`` does so.
OpenCV decodes all formats but JPEG: it fills what a damaged JPEG file lacks with gray, and says so
on stderr only. simplejpeg gives the same pixels (both have libjpeg-turbo), and an error.
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from isegm.core.errors import IsegmError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")  # accepted from untrusted files
MAX_PIXELS = 50_000_000  # of an untrusted file, by default
MAX_READABLE, MAX_SIDE = 1 << 30, 1 << 20  # OpenCV's limits

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TIFF_SIGNATURES = (b"II*\0", b"MM\0*")
EXIF_MARKS = (b"Exif", b"eXIf", b"EXIF")  # of JPEG, PNG, WebP
ORIENTATION = 0x0112  # the EXIF tag
JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
PNG_CRITICAL, PNG_PROFILE = (b"IHDR", b"PLTE", b"IDAT", b"IEND"), b"iCCP"


class CorruptSample(IsegmError):
    """One sample that cannot be used: an unreadable file, a mask of the wrong size, an empty mask.
    The rest of the set is usable.
    """


def read_image(path: Path) -> np.ndarray:
    """Read a picture as ``H W 3`` uint8, RGB.

    The pixels are those of ``cv2.imread``: EXIF orientation applied, gray repeated in three
    channels, palettes resolved, alpha dropped, and 16 bit scaled to 8 by keeping the high byte,
    ``value // 256`` (rounded by at most 1 in some TIFF files).

    Raises:
        CorruptSample: the file is missing, empty, cut off or no image.
    """
    return decode_image(_bytes(path), path)


def decode_image(data: bytes, name: Path | str) -> np.ndarray:
    """``read_image`` for a file in memory; ``name`` is for messages."""
    return cv2.cvtColor(_decode(data, name, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def checked_image(data: bytes, name: str, pixels: int = MAX_PIXELS) -> np.ndarray:
    """``decode_image`` for an untrusted file: its size is read from the header before anything is
    decoded.

    Raises:
        IsegmError: damaged, of an unknown format, or larger than allowed.
    """
    stored_size(data, name, pixels)
    return decode_image(data, name)


def image_in_text(text: str, name: str, pixels: int = MAX_PIXELS) -> np.ndarray:
    """``checked_image`` for base64, with or without the head of a data URI."""
    head, comma, body = text.partition(",")
    if head.startswith("data:") and not (comma and head.endswith(";base64")):
        raise IsegmError(f"{name}: expected a data URI with base64, e.g. data:image/png;base64,...")
    try:
        data = base64.b64decode(body if comma else head, validate=True)
    except (binascii.Error, ValueError):
        raise IsegmError(f"{name}: expected an image in base64") from None
    return checked_image(data, name, pixels)


def stored_size(data: bytes, name: str, pixels: int | None = None) -> tuple[int, int]:
    """Rows and columns of the turned image according to the header; no pixel is decoded.

    Args:
        pixels: the most that are accepted; None for any number.

    Raises:
        IsegmError: no image, of an unknown format, or larger than allowed.
    """
    rows, columns = _stored_size(data, name)
    if pixels is not None and rows * columns > pixels:
        raise IsegmError(
            f"{name} has {columns} x {rows} pixels; at most {pixels:,} pixels are accepted here"
        )
    return rows, columns


def _stored_size(data: bytes, name: str) -> tuple[int, int]:
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as header:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            columns, rows = header.size
        return (columns, rows) if orientation(data) > 4 else (rows, columns)
    except Image.DecompressionBombError as error:
        raise IsegmError(f"{name} is too large: {str(error).partition(',')[0]}") from None
    except (OSError, SyntaxError, ValueError):
        raise IsegmError(
            f"{name} is not a readable image; expected one of {', '.join(FORMATS)}"
        ) from None


def read_mask(path: Path) -> np.ndarray:
    """Read the first channel that ``cv2.imread`` gives for a mask: ``H W`` uint8 (blue, for a mask
    in colour).

    Raises:
        CorruptSample: as ``read_image``.
    """
    return _decode(_bytes(path), path, cv2.IMREAD_COLOR)[:, :, 0].copy()


def read_labels(path: Path) -> tuple[np.ndarray, bool]:
    """Read the values stored in a mask: ``H W`` uint8 or uint16, or ``H W 3`` uint8 RGB; and
    whether it has a palette.

    A palette image gives its indices, a gray image (8 or 16 bit) its values. Alpha is dropped, and
    a colour image with three equal channels is gray.

    Raises:
        CorruptSample: as ``read_image``, or a floating point image.
    """
    return decode_labels(_bytes(path), path)


def decode_labels(data: bytes, path: Path | str) -> tuple[np.ndarray, bool]:
    """``read_labels`` for a file in memory; ``path`` is for messages."""
    colour_type = data[25:26]  # of the PNG header
    if data.startswith(PNG_SIGNATURE) and colour_type == b"\x03":  # a palette
        try:
            return _turned(np.array(Image.open(io.BytesIO(data))), data), True
        except (OSError, SyntaxError, ValueError) as error:
            raise CorruptSample(f"{path} is not a readable image: {error}") from None
    pixels = _decode(data, path, cv2.IMREAD_UNCHANGED)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise CorruptSample(
            f"{path} holds {pixels.dtype} values; a mask must be an 8 or 16 bit image"
        )
    if pixels.ndim == 2:
        return pixels, False
    if pixels.shape[2] in (1, 2):
        return pixels[:, :, 0].copy(), False
    pixels = pixels[:, :, 2::-1]
    if (pixels == pixels[:, :, :1]).all():
        return pixels[:, :, 0].copy(), False
    if pixels.dtype != np.uint8:
        raise CorruptSample(
            f"{path} is a 16 bit colour image; a mask must be gray, indexed or 8 bit colour"
        )
    return pixels.copy(), False


def check_size(
    image: np.ndarray, mask: np.ndarray, image_path: Path | str, mask_path: Path | str
) -> None:
    """Raise CorruptSample unless a mask has the rows and columns of its image."""
    if image.shape[:2] != mask.shape[:2]:
        raise CorruptSample(
            f"{mask_path} is {mask.shape[0]}x{mask.shape[1]} (rows x columns), but its image"
            f" {image_path} is {image.shape[0]}x{image.shape[1]}; save the mask at the size of the"
            " image"
        )


def check_annotated_size(image: np.ndarray, size: tuple[int, int], path: Path) -> None:
    """Raise CorruptSample unless an image has the (rows, columns) its annotations were made for."""
    if image.shape[:2] != size:
        raise CorruptSample(
            f"{path} is {image.shape[0]}x{image.shape[1]}, but its annotations are for"
            f" {size[0]}x{size[1]}"
        )


def require_files(what: str, paths: Iterable[Path], layout: str) -> None:
    """Raise IsegmError, which states the expected ``layout``, unless all of a data set's files and
    folders exist.
    """
    for path in paths:
        if not path.exists():
            raise IsegmError(f"{what}: {path} does not exist; expected {layout}")


def list_images(folder: Path, what: str) -> list[Path]:
    """The image files in a folder, sorted by name.

    Raises:
        IsegmError: the folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise IsegmError(
            f"{what}: there is no folder {folder}; put the data there or correct the path"
        )
    images = sorted((p for p in folder.iterdir() if is_image(p)), key=lambda p: p.name)
    if not images:
        raise IsegmError(f"{what}: {folder} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return images


def is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _bytes(path: Path) -> bytes:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CorruptSample(f"{path} cannot be read: {error.strerror or error}") from None
    if not data:
        raise CorruptSample(f"{path} is an empty file")
    return data


def _decode(data: bytes, path: Path | str, flags: int) -> np.ndarray:
    if data.startswith(JPEG_START):
        pixels = _jpeg(data, path, flags)
        return _turned(_by_opencv(data, path, flags) if pixels is None else pixels, data)
    if data.startswith(PNG_SIGNATURE):
        data = _whole_png(data, path)
    return _turned(_by_opencv(data, path, flags), data)


def _jpeg(data: bytes, path: Path | str, flags: int) -> np.ndarray | None:
    """The stored pixels as OpenCV would return them; None if only OpenCV can decode this file.

    Raises:
        CorruptSample: pixels are missing.
    """
    # OpenCV decodes CMYK, and older versions fill the missing part with gray.
    if data.rfind(JPEG_END) < data.rfind(JPEG_SCAN):
        raise CorruptSample(f"{path} is cut off: the JPEG data have no end")
    try:
        rows, columns, color, _ = simplejpeg.decode_jpeg_header(data)
        if max(rows, columns) > MAX_SIDE or rows * columns > MAX_READABLE:
            return None
        gray = color == "Gray" and flags == cv2.IMREAD_UNCHANGED
        wanted = "GRAY" if gray else "BGR"
        try:
            pixels = simplejpeg.decode_jpeg(data, wanted)
        except ValueError as error:
            if "premature end" in str(error).lower():
                raise CorruptSample(f"{path} is cut off or damaged: {error}") from None
            pixels = simplejpeg.decode_jpeg(data, wanted, strict=False)  # e.g. superfluous bytes
    except ValueError:
        return None
    return pixels[:, :, 0] if gray else pixels


def _whole_png(data: bytes, path: Path | str) -> bytes:
    """The file without its color profile, which OpenCV does not use and libpng complains of.

    Raises:
        CorruptSample: it ends too early, or a checksum is wrong.
    """
    kept, place, kind = [data[:8]], 8, b""
    while kind != b"IEND":
        head = data[place : place + 8]
        end = place + 12 + int.from_bytes(head[:4], "big")
        kind = head[4:]
        if len(head) < 8 or end > len(data):
            raise CorruptSample(f"{path} is cut off: the PNG data have no end")
        found = int.from_bytes(data[end - 4 : end], "big")
        if kind in PNG_CRITICAL and zlib.crc32(data[place + 4 : end - 4]) != found:
            raise CorruptSample(f"{path} is damaged: a checksum of the PNG data is wrong")
        if kind != PNG_PROFILE:
            kept.append(data[place:end])
        place = end
    return b"".join(kept)


def _by_opencv(data: bytes, path: Path | str, flags: int) -> np.ndarray:
    """The stored pixels, not turned."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        _check_readable_size(data, path)
        raise CorruptSample(f"{path} cannot be decoded: {error}") from None
    if pixels is None:
        _check_readable_size(data, path)
        raise CorruptSample(
            f"{path} is not a readable image (damaged, cut off, or of an unknown format)"
        )
    return pixels


def _check_readable_size(data: bytes, path: Path | str) -> None:
    """Raise CorruptSample if a file is an image that is too large for OpenCV."""
    try:
        rows, columns = _stored_size(data, str(path))
    except IsegmError as error:
        if "too large" not in str(error):
            return
        raise CorruptSample(f"{error}; make it smaller") from None
    if max(rows, columns) > MAX_SIDE or rows * columns > MAX_READABLE:
        raise CorruptSample(
            f"{path} is too large: {columns} x {rows} pixels; at most {MAX_READABLE:,} can be read"
        )


def orientation(data: bytes) -> int:
    """The EXIF orientation of a JPEG, PNG or WebP file, 1 to 8; 1 where it says none.

    OpenCV always turns TIFF files, and Pillow gives their size after turning, so theirs is 1.
    """
    if data.startswith(TIFF_SIGNATURES) or not any(mark in data for mark in EXIF_MARKS):
        return 1
    exif = Image.Exif()
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            warnings.simplefilter("ignore")  # of large images and damaged EXIF data
            if "exif" not in image.info and data.startswith(PNG_SIGNATURE):
                image.load()  # the chunk may follow the pixels
            # Not image.getexif(), which looks into XMP data, too, as OpenCV does not.
            exif.load(image.info.get("exif", b""))
            value = exif.get(ORIENTATION)  # which reads it
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError):
        return 1
    return value if value in range(1, 9) else 1


def _turned(pixels: np.ndarray, data: bytes) -> np.ndarray:
    """Stored pixels (``H W`` or ``H W C``) as they are to be seen."""
    value = orientation(data)
    if value > 4:
        pixels = pixels.swapaxes(0, 1)
    if value in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if value in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
