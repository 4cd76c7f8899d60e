"""Synthetic scenes: the built-in default data, for which no file is needed.

A scene is a textured background, patches that belong to no object, and a few objects painted over
one another. As in many photographs, the background is rather pale and out of focus, and the objects
are not; but some objects share the palette of their surroundings, so that colour alone cannot tell
them apart. Objects may have parts of different texture, holes or thin limbs; some are occluded.
Light is uneven, and there is blur and noise. All randomness comes from the generator passed in.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from easydict import EasyDict

from isegm.core.samples import InstanceSample, ObjectInfo, Sample
from isegm.data.evaluation_sets import EvalDataset

VERSION = 3  # raise it when the same seed gives a different picture
EVALUATION_SEED = 20_210_206
TRAINING_SEED = 20_210_207  # of repeated scenes
EVALUATION_SIZES = ((160, 160), (144, 192), (192, 144), (160, 208))
CAMOUFLAGED = 0.2  # how often an object has the colours of its surroundings
PALE, VIVID = (10, 80), (110, 230)  # saturation, of 255
SMALLEST = 0.05  # area of an evaluated object, as a share of the image
TEXTURE_SIZE = 256


def scene(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint a scene.

    Returns:
        The image, ``H W 3`` uint8 RGB, and the visible part of every object, ``H W`` uint8 with
        labels 1, 2, ...
    """
    palette = _palette(rng, PALE)
    image = _textured(rng, height, width, palette)
    for _ in range(rng.integers(0, 3)):
        _paint(image, _blob(rng, height, width), lambda part: _textured(rng, *part.shape, palette))
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2.0))
    labels = np.zeros((height, width), np.uint8)
    for label in range(1, rng.integers(2, 4) + 1):
        mask = _object_mask(rng, height, width)
        own = palette if rng.random() < CAMOUFLAGED else _palette(rng, VIVID)
        _paint(image, mask, functools.partial(_object_texture, rng, palette=own))
        labels[mask] = label
    image = _photographed(rng, image)
    return image, _relabelled(labels, minimum=height * width // 100)


class SyntheticSource:
    """Training images painted on demand.

    Args:
        size: rows and columns.
        length: the number of images in an epoch.
        repeated: image ``index`` is always the same, as in a set of files; otherwise every reading
            gives a different one.
    """

    def __init__(self, size: Sequence[int], length: int, *, repeated: bool = False) -> None:
        self._size = size
        self._length = length
        self._repeated = repeated

    def __len__(self) -> int:
        return self._length

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        if self._repeated:
            rng = np.random.default_rng([TRAINING_SEED, index])
        image, labels = scene(rng, *self._size)
        objects = {label - 1: ObjectInfo(0, label) for label in range(1, int(labels.max()) + 1)}
        return InstanceSample(image, labels[:, :, None], objects, id=f"synthetic image {index}")


class SyntheticEvaluation(EvalDataset):
    """Held-out scenes, one object each, in a few sizes.

    Args:
        length: the number of objects; a longer set begins with the shorter one.
    """

    name = "synthetic"

    def __init__(self, length: int = 50) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self._length:
            raise IndexError(f"sample {index} of {self._length}")
        rng = np.random.default_rng([EVALUATION_SEED, index])
        large = np.zeros(0, np.int64)
        while not len(large):
            image, labels = scene(rng, *EVALUATION_SIZES[index % len(EVALUATION_SIZES)])
            areas = np.bincount(labels.ravel())
            large = np.flatnonzero(areas[1:] >= SMALLEST * labels.size) + 1
        # As a person would, prefer large objects: probability ~ visible area.
        gt = labels == rng.choice(large, p=areas[large] / areas[large].sum())
        return Sample(image, gt.astype(np.int8), self.ids()[index])

    def ids(self) -> list[str]:
        return [f"{index:04d}" for index in range(self._length)]

    def fingerprint(self) -> str:
        recipe = (
            f"synthetic {VERSION} {EVALUATION_SEED} {EVALUATION_SIZES} {SMALLEST} {self._length}"
        )
        return hashlib.sha256(recipe.encode()).hexdigest()


def synthetic(cfg: EasyDict) -> EvalDataset:
    return SyntheticEvaluation()


EVALUATION = {"synthetic": synthetic}


# --- textures ---


def _palette(rng: np.random.Generator, saturation: tuple[int, int]) -> np.ndarray:
    """``5 3`` float32 in 0-255: colours of few hues, so that some are close to one another."""
    hues = rng.uniform(0, 180) + rng.normal(0, 35, 5)
    hsv = np.stack([hues % 180, rng.uniform(*saturation, 5), rng.uniform(60, 235, 5)], 1)
    return cv2.cvtColor(hsv.astype(np.uint8)[None], cv2.COLOR_HSV2RGB)[0].astype(np.float32)


def _textured(rng: np.random.Generator, height: int, width: int, palette: np.ndarray) -> np.ndarray:
    """``H W 3`` float32: a pattern between two colours of the palette."""
    pattern = _textures()[rng.integers(len(_textures()))]
    zoom = rng.uniform(0.5, 1.6)
    angle = rng.uniform(0, 2 * math.pi)
    cos, sin = math.cos(angle) * zoom, math.sin(angle) * zoom
    shift = rng.uniform(0, TEXTURE_SIZE, 2)
    turned = cv2.warpAffine(
        pattern,
        np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]]),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_WRAP,
    )
    first, second = palette[rng.choice(len(palette), 2, replace=False)] + rng.normal(0, 12, (2, 3))
    contrast = rng.uniform(0.1, 0.6)
    return (first + contrast * turned[:, :, None] * (second - first)).astype(np.float32)


@functools.lru_cache(maxsize=1)
def _textures() -> np.ndarray:
    """``K 256 256`` float32 in [0, 1]: patterns that repeat without a seam, the same in every
    process.
    """
    rng = np.random.default_rng(7)
    made = [_noise(rng, cells) for cells in (4, 8, 16, 32, 64) for _ in range(2)]
    for frequency, cells in ((6, 8), (10, 16), (16, 32), (24, 64)):
        made.append(_waves(rng, frequency, 0))
        made.append(_waves(rng, 0, frequency) * _waves(rng, frequency, 0))
        made.append((_waves(rng, frequency, frequency) > 0.5).astype(np.float32))
        made.append((_noise(rng, cells) > 0.55).astype(np.float32))
    return np.stack([cv2.GaussianBlur(m, (3, 3), 0, borderType=cv2.BORDER_REFLECT) for m in made])


def _noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Smooth noise with ``cells`` (a power of two) cells per side, and finer detail on top."""
    total = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.float32)
    for octave, weight in enumerate((1.0, 0.5, 0.25)):
        size = min(cells << octave, TEXTURE_SIZE)
        grid = np.pad(rng.random((size, size), np.float32), 2, mode="wrap")
        scale = TEXTURE_SIZE // size
        large = cv2.resize(grid, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        inner = slice(2 * scale, 2 * scale + TEXTURE_SIZE)
        total += weight * large[inner, inner]
    low, high = np.quantile(total, (0.02, 0.98))
    return np.clip((total - low) / (high - low), 0, 1)


def _waves(rng: np.random.Generator, across: int, down: int) -> np.ndarray:
    y, x = np.mgrid[:TEXTURE_SIZE, :TEXTURE_SIZE].astype(np.float32) / TEXTURE_SIZE
    phase = 2 * math.pi * (across * x + down * y) + 2.5 * _noise(rng, 4)
    return 0.5 + 0.5 * np.sin(phase)


# --- shapes ---


def _object_mask(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """``H W`` bool: a compact, angular, holed, limbed or thin shape somewhere in the picture."""
    kinds: tuple[Callable[..., np.ndarray], ...] = (_blob, _polygon, _holed, _limbed, _thin)
    return kinds[rng.choice(len(kinds), p=(0.4, 0.2, 0.18, 0.15, 0.07))](rng, height, width)


def _blob(
    rng: np.random.Generator,
    height: int,
    width: int,
    centre: np.ndarray | None = None,
    size: float = 1.0,
) -> np.ndarray:
    angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    radius = np.ones_like(angles)
    for k in range(2, 6):
        radius += rng.normal(0, 0.28 / k) * np.cos(k * angles + rng.uniform(0, 2 * math.pi))
    return _filled(rng, height, width, np.clip(radius, 0.25, None), angles, centre, size)


def _polygon(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    corners = rng.integers(3, 8)
    angles = 2 * math.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners
    return _filled(rng, height, width, rng.uniform(0.7, 1.3, corners), angles, None, 1.0)


def _filled(
    rng: np.random.Generator,
    height: int,
    width: int,
    radius: np.ndarray,
    angles: np.ndarray,
    centre: np.ndarray | None,
    size: float,
) -> np.ndarray:
    """Fill a closed outline given in polar form, stretched and turned at random."""
    if centre is None:
        centre = rng.uniform(0.12, 0.88, 2) * (width, height)
    extent = size * min(height, width) * rng.uniform(0.22, 0.42)
    stretch = rng.uniform(0.6, 1.0)
    turn = rng.uniform(0, 2 * math.pi)
    x, y = radius * np.cos(angles) * extent, radius * np.sin(angles) * extent * stretch
    cos, sin = math.cos(turn), math.sin(turn)
    outline = np.stack([x * cos - y * sin, x * sin + y * cos], 1) + centre
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 1, shift=4)
    return mask.astype(bool)


def _holed(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    mask = _blob(rng, height, width, size=1.25)
    for _ in range(rng.integers(1, 3)):
        mask &= ~_blob(rng, height, width, _inside(rng, mask), size=0.4)
    return mask


def _limbed(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    mask = _blob(rng, height, width, size=0.8)
    for _ in range(rng.integers(1, 4)):
        mask |= _stroke(rng, height, width, _inside(rng, mask))
    return mask


def _thin(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    start = rng.uniform(0.25, 0.75, 2) * (width, height)
    mask = _stroke(rng, height, width, start)
    for _ in range(rng.integers(1, 3)):
        mask |= _stroke(rng, height, width, start)
    return mask


def _stroke(rng: np.random.Generator, height: int, width: int, start: np.ndarray) -> np.ndarray:
    """A bent line of even thickness."""
    side = min(height, width)
    turn, bend = rng.uniform(0, 2 * math.pi), rng.normal(0, 0.12)
    directions = turn + bend * np.arange(10)
    step = side * rng.uniform(0.03, 0.06)
    points = start + np.cumsum(np.stack([np.cos(directions), np.sin(directions)], 1) * step, 0)
    mask = np.zeros((height, width), np.uint8)
    thickness = int(side * rng.uniform(0.025, 0.07)) + 2
    cv2.polylines(mask, [np.round(points).astype(np.int32)], False, 1, thickness)
    return mask.astype(bool)


def _inside(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """A random pixel (x, y) of a mask; the centre of the picture if the mask is empty."""
    pixels = np.flatnonzero(mask)
    index = (
        pixels[rng.integers(len(pixels))] if len(pixels) else mask.size // 2 + mask.shape[1] // 2
    )
    return np.array([index % mask.shape[1], index // mask.shape[1]], float)


# --- painting ---


def _paint(
    image: np.ndarray, mask: np.ndarray, texture: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Paint a mask onto an image, asking for the texture of its bounding box only."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    if width and height:
        window = np.s_[top : top + height, left : left + width]
        part = np.ascontiguousarray(mask[window])
        np.copyto(image[window], texture(part), where=part[:, :, None])


def _object_texture(rng: np.random.Generator, mask: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """A texture with its own light; some objects have a part of another texture, many a darker
    rim.
    """
    height, width = mask.shape
    texture = _textured(rng, height, width, palette)
    if rng.random() < 0.4:
        spot = _blob(rng, height, width, _inside(rng, mask), size=1.3)
        _paint(texture, spot, lambda part: _textured(rng, *part.shape, palette))
    texture *= _light(rng, height, width, 0.2)
    if rng.random() < 0.6:
        depth = cv2.distanceTransform(np.pad(mask, 1).view(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
        rim = rng.uniform(0.15, 0.5) * np.exp(-depth / rng.uniform(1.0, 4.0))
        texture *= 1 - rim[:, :, None]
    return texture


def _light(rng: np.random.Generator, height: int, width: int, strength: float) -> np.ndarray:
    """``H W 1`` float32: a factor that changes linearly across the picture."""
    slope = rng.uniform(-strength, strength, 2)
    y = np.linspace(-slope[0], slope[0], height, dtype=np.float32)[:, None, None]
    x = np.linspace(-slope[1], slope[1], width, dtype=np.float32)[None, :, None]
    return 1 + y + x


def _photographed(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Uneven light, a little blur, and noise; ``H W 3`` uint8."""
    lit = image * _light(rng, *image.shape[:2], 0.25)
    image = cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.4, 1.1))
    noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(2, 12)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _relabelled(labels: np.ndarray, minimum: int) -> np.ndarray:
    """Number the objects with at least ``minimum`` visible pixels 1, 2, ...; the others become
    background.
    """
    areas = np.bincount(labels.ravel())
    table = np.zeros(len(areas), np.uint8)
    kept = [label for label in range(1, len(areas)) if areas[label] >= minimum]
    table[kept] = np.arange(1, len(kept) + 1)
    return table[labels]
