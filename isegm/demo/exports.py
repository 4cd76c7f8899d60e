"""Downloads: a mask as PNG; all objects as an indexed PNG, a zip of masks, or COCO JSON."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import cv2
import numpy as np
from PIL import Image

from isegm.core import boxes
from isegm.core.rounds import Session
from isegm.demo.values import Finished, Picture
from isegm.utils import rle

COLOURS = (
    (64, 156, 255), (255, 149, 0), (52, 199, 89), (255, 55, 95), (191, 90, 242), (255, 214, 10),
    (0, 199, 190), (172, 142, 104), (255, 105, 180), (120, 220, 70), (94, 92, 230), (230, 120, 90),
)  # fmt: skip


def colour_of(number: int) -> tuple[int, int, int]:
    """RGB of the object with this number, starting at 1."""
    return COLOURS[(number - 1) % len(COLOURS)]


def gray_png(values: np.ndarray, level: int = 1) -> bytes:
    """``H W`` uint8 as PNG; ``level`` is that of zlib."""
    return cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes()


def colour_png(image: np.ndarray) -> bytes:
    """``H W 3`` uint8 RGB as PNG."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def thumbnail(image: np.ndarray, side: int = 220) -> bytes:
    """``H W 3`` uint8 RGB as a JPEG whose longer side has about ``side`` pixels."""
    scale = side / max(image.shape[:2])
    size = [max(1, round(scale * extent)) for extent in (image.shape[1], image.shape[0])]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1].tobytes()


def mask_png(mask: np.ndarray) -> bytes:
    """``H W`` bool as a gray PNG of 0 and 255."""
    return gray_png(mask.view(np.uint8) * np.uint8(255))


def transport_png(mask: np.ndarray) -> bytes:
    """The picture of ``mask_png`` with one bit per pixel, to send to the browser."""
    values = mask.view(np.uint8) * np.uint8(255)
    flags = [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1]
    return cv2.imencode(".png", values, flags)[1].tobytes()


def indexed_png(size: tuple[int, int], objects: Sequence[Finished]) -> bytes:
    """All objects in one palette PNG: 0 where there is none, else the object's place in the list.
    Later objects cover earlier ones.
    """
    indices = np.zeros(size, np.uint8)
    palette = [0, 0, 0]
    for index, finished in enumerate(objects, 1):
        indices[finished.recorded.mask.pixels] = index
        palette += colour_of(finished.number)
    image = Image.fromarray(indices, "P")
    image.putpalette(palette)
    return _encoded(image)


def masks_zip(objects: Sequence[Finished], stem: str) -> bytes:
    """A PNG of 0 and 255 per object."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for index, finished in enumerate(objects, 1):
            archive.writestr(f"{stem}_{index}.png", mask_png(finished.recorded.mask.pixels))
    return out.getvalue()


def coco(picture: Picture, objects: Sequence[Finished]) -> dict[str, Any]:
    """COCO instances of one image. Masks are uncompressed runs, boxes x, y, width, height."""
    height, width = picture.size
    return {
        "images": [{"id": 1, "file_name": picture.name, "height": height, "width": width}],
        "categories": [{"id": 1, "name": "object"}],
        "annotations": [
            _annotation(index, finished.recorded.mask.pixels)
            for index, finished in enumerate(objects, 1)
        ],
    }


def layer_names(session: Session) -> list[str]:
    """The maps of the newest answer that can be shown, the probability first."""
    names = ["probability"]
    for name, maps in session.maps.items():
        count = maps.shape[1]
        names += [name] if count == 1 else [f"{name} {channel + 1}" for channel in range(count)]
    return names


def layer(session: Session, prob: np.ndarray, index: int) -> np.ndarray:
    """The map with this index in ``layer_names``, ``H W`` uint8 with 255 for 1; 0 outside the
    view.
    """
    if index > 0:
        planes = [plane for maps in session.maps.values() for plane in maps[0]]
        plane = planes[index - 1][None, None].float()
        pasted = boxes.paste(plane, session.view, *session.image.shape[-2:])
        prob = pasted[0, 0].cpu().numpy()
    return np.clip(np.rint(255 * prob), 0, 255).astype(np.uint8)


def stem_of(name: str) -> str:
    """A file's name without folder and suffix, reduced to characters that are safe in file names
    and headers.
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", PurePath(name).stem).strip("._")[:80] or "image"


def _annotation(index: int, mask: np.ndarray) -> dict[str, Any]:
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = [int(cols[0]), int(rows[0]), int(cols[-1] - cols[0] + 1), int(rows[-1] - rows[0] + 1)]
    return {
        "id": index,
        "image_id": 1,
        "category_id": 1,
        "segmentation": rle.encode(mask),
        "area": int(mask.sum()),
        "bbox": box,
        "iscrowd": 0,  # readers recognize runs without it, and do not train on crowds
    }


def _encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
