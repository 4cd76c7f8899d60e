"""Volumes as folders of slices: ``images/<volume>_<slice>.png``, ``masks/...`` of the same names,
``volumes/<volume>.json``.

Slices are numbered from the feet up. Only slices with the object are written; the sidecar
``volumes/<volume>.json`` holds what is needed to assemble the volume again. It is written last, so
a volume that has one is complete.
"""

from __future__ import annotations

import glob
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from isegm.core.errors import IsegmError
from isegm.data.medical.organs import shown_range, to_gray
from isegm.data.medical.sources import ScanPair
from isegm.data.medical.volumes import Geometry, read_object, read_volume
from isegm.data.reading import read_mask
from isegm.utils.files import replacing

SCHEMA = 1


@dataclass(frozen=True)
class SliceSettings:
    """What to extract.

    Attributes:
        organ: what the object is called.
        labels: the numbers of the label volume that form it.
        window: lowest and highest value shown, or None for percentiles.
        largest_only: only the slice of a volume with the largest object (the first of several), as
            in the medical fork of another code base. Such slices cannot be assembled to volumes.
    """

    organ: str
    labels: tuple[int, ...]
    window: tuple[float, float] | None
    largest_only: bool = False


@dataclass(frozen=True)
class Sidecar:
    """How the slices of a volume were extracted, and how they are assembled again.

    Attributes:
        volume: its name.
        settings: how it was extracted.
        sources: name and size in bytes of the scan and of its label volume.
        geometry: shape, orientation and affine of the scan as stored.
        slices: the slices written, by index from the feet up.
        pixels: the object's pixels in each of them.
        empty: slices without the object, which are not written.
        left_out: slices with the object that ``largest_only`` left out.
    """

    volume: str
    settings: SliceSettings
    sources: dict[str, tuple[str, int]]
    geometry: Geometry
    slices: tuple[int, ...]
    pixels: tuple[int, ...]
    empty: int
    left_out: int

    def id(self, index: int) -> str:
        return f"{self.volume}_{index:04d}"

    @property
    def ids(self) -> list[str]:
        return [self.id(index) for index in self.slices]

    def save(self, path: Path) -> None:
        content = asdict(self)
        readable = {
            "spacing_slice_row_column_mm": self.geometry.spacing,
            "orientation": self.geometry.orientation,
        }
        with replacing(path) as partial:
            partial.write_text(json.dumps({"schema": SCHEMA, **content, **readable}, indent=1))


def read_sidecar(path: Path) -> Sidecar:
    """Read ``volumes/<volume>.json``.

    Raises:
        IsegmError: it is missing, damaged or of another kind.
    """
    try:
        content = json.loads(path.read_text())
        if content["schema"] != SCHEMA:
            raise IsegmError(
                f"{path} has schema {content['schema']!r}, this version reads {SCHEMA}; extract the"
                " slices again"
            )
        settings, geometry = content["settings"], content["geometry"]
        window = settings["window"] and tuple(settings["window"])
        return Sidecar(
            volume=content["volume"],
            settings=SliceSettings(
                settings["organ"], tuple(settings["labels"]), window, settings["largest_only"]
            ),
            sources={kind: tuple(source) for kind, source in content["sources"].items()},
            geometry=Geometry(
                tuple(geometry["shape"]), tuple(map(tuple, geometry["affine"])), geometry["code"]
            ),
            slices=tuple(content["slices"]),
            pixels=tuple(content["pixels"]),
            empty=content["empty"],
            left_out=content["left_out"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IsegmError(
            f"{path} is not a readable sidecar of extracted slices ({error!r}); extract the slices"
            " again"
        ) from None


def read_sidecars(root: Path) -> list[Sidecar]:
    """Every volume of a folder of slices, by name.

    Raises:
        IsegmError: there are none.
    """
    paths = sorted((root / "volumes").glob("*.json"))
    if not paths:
        raise IsegmError(
            f"{root} holds no extracted slices: there is no {root / 'volumes'}/*.json; run"
            " isegm extract-slices first"
        )
    return [read_sidecar(path) for path in paths]


def extracted(pair: ScanPair, settings: SliceSettings, root: Path) -> Sidecar | None:
    """The sidecar of a volume that an earlier run has extracted from the same files, or None.

    Raises:
        IsegmError: it was extracted with other settings or from other files.
    """
    path = _sidecar_path(root, pair)
    if not path.exists():
        return None
    read = read_sidecar(path)
    if (read.settings, read.sources) != (settings, _sources(pair)):
        raise IsegmError(
            f"{path}: {pair.name} was extracted with other settings or from other files"
            f" ({read.settings}, {read.sources}); use another output folder, or overwrite it"
        )
    complete = all(
        (root / kind / f"{id_}.png").exists() for kind in ("images", "masks") for id_ in read.ids
    )
    return read if complete else None


def extract(pair: ScanPair, settings: SliceSettings, root: Path) -> Sidecar:
    """Write the slices of a volume that hold the object, and its sidecar. A volume without the
    object leaves only a sidecar.

    Raises:
        IsegmError: a file cannot be used, or scan and labels do not lie on the same grid.
    """
    scan, truth = read_volume(pair.image), read_object(pair.label, settings.labels)
    if not truth.geometry.same_grid(scan.geometry):
        raise IsegmError(
            f"{pair.label} does not lie on the grid of {pair.image}: {truth.geometry} against"
            f" {scan.geometry}; resample the labels onto the scan"
        )
    try:
        low, high = shown_range(scan.values, settings.window)
    except IsegmError as error:
        raise IsegmError(f"{pair.image}: {error}") from None
    pixels = truth.values.sum((1, 2))
    full = np.flatnonzero(pixels)
    written = full[[pixels[full].argmax()]] if settings.largest_only and full.size else full
    sidecar = Sidecar(
        volume=pair.name,
        settings=settings,
        sources=_sources(pair),
        geometry=scan.geometry,
        slices=tuple(map(int, written)),
        pixels=tuple(map(int, pixels[written])),
        empty=len(pixels) - len(full),
        left_out=len(full) - len(written),
    )
    _remove_slices(pair, root)
    for index, id_ in zip(sidecar.slices, sidecar.ids, strict=True):
        _write_png(root / "images" / f"{id_}.png", to_gray(scan.values[index], low, high))
        _write_png(root / "masks" / f"{id_}.png", 255 * truth.values[index].astype(np.uint8))
    sidecar.save(_sidecar_path(root, pair))
    return sidecar


def mask_file(folder: Path, id_: str) -> Path | None:
    """The mask of a slice: ``<id>.png``, or ``<id>/mask.png`` as ``isegm evaluate --vis-preds``
    writes it; None if missing.
    """
    return next(
        (path for path in (folder / f"{id_}.png", folder / id_ / "mask.png") if path.exists()), None
    )


def read_slice(path: Path, sidecar: Sidecar) -> np.ndarray:
    """A mask as ``R C`` bool, object above 128.

    Raises:
        IsegmError: the file cannot be read, or has another size than the slices of its volume.
    """
    mask = read_mask(path) > 128
    if mask.shape != sidecar.geometry.size[1:]:
        rows, columns = sidecar.geometry.size[1:]
        raise IsegmError(
            f"{path} is {mask.shape[0]}x{mask.shape[1]} (rows x columns); the slices of"
            f" {sidecar.volume} are {rows}x{columns}"
        )
    return mask


def assemble(sidecar: Sidecar, folder: Path) -> np.ndarray:
    """Put the masks of a volume together: ``S R C`` bool, nothing where no slice was extracted.

    Raises:
        IsegmError: masks are missing or of another size, or only a part of the object was
            extracted.
    """
    if sidecar.left_out:
        raise IsegmError(
            f"{sidecar.volume}: only the largest slice was extracted, {sidecar.left_out} more hold"
            " the object"
        )
    files = {index: mask_file(folder, sidecar.id(index)) for index in sidecar.slices}
    missing = [sidecar.id(index) for index, path in files.items() if path is None]
    if missing:
        raise IsegmError(
            f"{folder} lacks {len(missing)} of the {len(files)} masks of {sidecar.volume}, the"
            f" first being {missing[0]}; expected {missing[0]}.png or {missing[0]}/mask.png"
        )
    volume = np.zeros(sidecar.geometry.size, bool)
    for index, path in files.items():
        volume[index] = read_slice(path, sidecar)
    return volume


def _sidecar_path(root: Path, pair: ScanPair) -> Path:
    return root / "volumes" / f"{pair.name}.json"


def _sources(pair: ScanPair) -> dict[str, tuple[str, int]]:
    return {
        kind: (path.name, path.stat().st_size)
        for kind, path in (("image", pair.image), ("label", pair.label))
    }


def _remove_slices(pair: ScanPair, root: Path) -> None:
    """Remove what an earlier extraction of this volume left; it would be evaluated, too."""
    _sidecar_path(root, pair).unlink(missing_ok=True)
    for folder in ("images", "masks"):
        for path in (root / folder).glob(f"{glob.escape(pair.name)}_[0-9][0-9][0-9][0-9].png"):
            path.unlink()


def _write_png(path: Path, gray: np.ndarray) -> None:
    with replacing(path) as partial:
        partial.write_bytes(cv2.imencode(".png", gray)[1].tobytes())
