"""NIfTI volumes, reoriented so that ``volume[k]`` is an axial slice as radiologists look at it, and
back again exactly.

Inside this package a volume is ``S R C``: slices from the feet up, rows from front to back, columns
from the patient's right to the left. Reorienting only permutes and flips axes; an oblique scan
keeps its grid.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isegm.core.errors import IsegmError
from isegm.utils.files import replacing

try:
    import nibabel
except ImportError:  # an extra: everything else works without it
    nibabel = None

SUFFIXES = (".nii.gz", ".nii")
AXIAL = "SPL"  # where the three axes point: superior, posterior, left
SAME_PLACE = 0.1  # two grids are the same if no corner differs by more than this share of a voxel


@dataclass(frozen=True)
class Geometry:
    """Where the voxels of a file are.

    Attributes:
        shape: as stored.
        affine: 4 x 4, from stored voxel indices to millimetres, right-anterior-superior.
        code: what the affine refers to (the NIfTI sform or qform code).
    """

    shape: tuple[int, int, int]
    affine: tuple[tuple[float, ...], ...]
    code: int = 2

    @property
    def orientation(self) -> str:
        """Where the stored axes point, e.g. ``RAS``."""
        _require_nibabel()
        return "".join(nibabel.aff2axcodes(np.array(self.affine)))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between slices, rows and columns."""
        turn = self._turn()
        sizes = nibabel.affines.voxel_sizes(np.array(self.affine))
        return tuple(float(sizes[i]) for i in np.argsort(turn[:, 0]))

    @property
    def size(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        return tuple(self.shape[i] for i in np.argsort(self._turn()[:, 0]))

    def to_slices(self, stored: np.ndarray) -> np.ndarray:
        """Stored voxels as ``S R C``."""
        return nibabel.apply_orientation(stored, self._turn())

    def from_slices(self, volume: np.ndarray) -> np.ndarray:
        """``S R C`` as stored voxels."""
        _require_nibabel()
        axial = nibabel.orientations.axcodes2ornt(AXIAL)
        back = nibabel.orientations.ornt_transform(
            axial, nibabel.io_orientation(np.array(self.affine))
        )
        return nibabel.apply_orientation(volume, back)

    def same_grid(self, other: Geometry) -> bool:
        """Whether both cover the same voxels in space, however they are stored."""
        if self.size != other.size:
            return False
        apart = np.linalg.norm(self._corners() - other._corners(), axis=1).max()
        return bool(apart <= SAME_PLACE * min(self.spacing))

    def __str__(self) -> str:
        shape, spacing = "x".join(map(str, self.shape)), " x ".join(f"{s:g}" for s in self.spacing)
        origin = ", ".join(f"{row[3]:g}" for row in self.affine[:3])
        return (
            f"{shape} voxels {self.orientation}, {spacing} mm (slices, rows, columns),"
            f" origin {origin}"
        )

    def _turn(self) -> np.ndarray:
        _require_nibabel()
        stored = nibabel.io_orientation(np.array(self.affine))
        return nibabel.orientations.ornt_transform(
            stored, nibabel.orientations.axcodes2ornt(AXIAL)
        ).astype(int)

    def _corners(self) -> np.ndarray:
        turned = np.array(self.affine) @ nibabel.orientations.inv_ornt_aff(self._turn(), self.shape)
        corners = np.stack(
            np.meshgrid(*[(0, n - 1) for n in self.size], indexing="ij"), -1
        ).reshape(-1, 3)
        return nibabel.affines.apply_affine(turned, corners)


@dataclass(frozen=True)
class Volume:
    """``values``: ``S R C``, in the units of the file."""

    values: np.ndarray
    geometry: Geometry


def is_volume(path: Path) -> bool:
    return path.name.endswith(SUFFIXES) and not path.name.startswith(".")


def volume_name(path: Path) -> str:
    """The file name without its suffix; other dots become hyphens, since slice names end at their
    first dot.
    """
    name = path.name
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name.replace(".", "-")


def read_volume(path: Path) -> Volume:
    """Read a scan; values are scaled as the header says.

    Raises:
        IsegmError: nibabel is missing; the file is missing, damaged or no NIfTI file; it is not
            three-dimensional, is empty, holds no finite value, or its header gives no usable
            orientation.
    """
    image = _load(path)
    geometry = _geometry(image, path)
    try:
        values = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise IsegmError(
            f"{path} cannot be read to its end: {error}; is the download complete?"
        ) from None
    if values.dtype.kind not in "iuf":
        raise IsegmError(f"{path} holds {values.dtype} values; expected one real number per voxel")
    if values.dtype.kind == "f" and not np.isfinite(values).any():
        raise IsegmError(f"{path} holds no number: every voxel is NaN or infinite")
    return Volume(geometry.to_slices(values), geometry)


def read_object(path: Path, labels: Collection[int] | None) -> Volume:
    """Read a label volume as bool: where it holds one of ``labels``; with None, where a mask of 0
    and 1 holds 1.

    Raises:
        IsegmError: as ``read_volume``, or values that are no labels.
    """
    volume = read_volume(path)
    values = volume.values
    if values.dtype.kind == "f" and not (
        np.isfinite(values).all() and (values == np.rint(values)).all()
    ):
        raise IsegmError(
            f"{path} holds fractions; expected a label volume of whole numbers. Is it a scan?"
        )
    if labels is None and not np.isin(values, (0, 1)).all():
        shown = ", ".join(f"{v:g}" for v in np.unique(values)[:8])
        raise IsegmError(f"{path} holds the values {shown}; expected a mask of 0 and 1")
    return Volume(np.isin(values, (1,) if labels is None else list(labels)), volume.geometry)


def write_mask(path: Path, mask: np.ndarray, geometry: Geometry) -> None:
    """Write a bool ``S R C`` mask as uint8 0 and 1, stored with the shape, orientation and affine
    of ``geometry``.

    Raises:
        IsegmError: nibabel is missing, the name is not one of a NIfTI file, or the mask has another
            size.
    """
    _require_nibabel()
    if not is_volume(path):
        raise IsegmError(f"{path}: a NIfTI file ends in {' or '.join(SUFFIXES)}")
    if mask.shape != geometry.size:
        raise IsegmError(
            f"{path}: the mask has {mask.shape} slices, rows and columns; expected {geometry.size}"
        )
    affine = np.array(geometry.affine)
    image = nibabel.Nifti1Image(geometry.from_slices(mask.astype(np.uint8)), affine)
    image.set_sform(affine, geometry.code)
    image.set_qform(affine, geometry.code)
    image.header.set_xyzt_units("mm")
    with replacing(path) as partial:
        # nibabel compresses by suffix, and the temporary file has another one.
        data = image.to_bytes()
        partial.write_bytes(_gzipped(data) if path.name.endswith(".gz") else data)


def _gzipped(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def _require_nibabel() -> None:
    if nibabel is None:
        raise IsegmError(
            "medical volumes need the package nibabel; install it with: pip install -e '.[medical]'"
        )


def _load(path: Path) -> Any:
    _require_nibabel()
    if not is_volume(path):
        raise IsegmError(f"{path} is not named as a NIfTI file; expected {' or '.join(SUFFIXES)}")
    if not path.is_file():
        raise IsegmError(f"{path} does not exist, or is not a file")
    try:
        return nibabel.load(path)
    except (
        OSError,
        EOFError,
        ValueError,
        zlib.error,
        nibabel.filebasedimages.ImageFileError,
    ) as error:
        raise IsegmError(f"{path} is not a readable NIfTI file: {error}") from None
    except nibabel.spatialimages.HeaderDataError as error:
        raise IsegmError(f"{path} has a damaged header: {error}") from None


def _geometry(image: Any, path: Path) -> Geometry:
    shape = tuple(int(n) for n in image.shape)
    if len(shape) != 3:
        raise IsegmError(
            f"{path} is {len(shape)}-dimensional ({'x'.join(map(str, shape))}); expected one volume"
            " of three dimensions:"
            " save the time point or the sequence you want as a file of its own"
        )
    if 0 in shape:
        raise IsegmError(f"{path} is empty: its shape is {'x'.join(map(str, shape))}")
    affine = image.affine
    if (
        affine is None
        or not np.isfinite(affine).all()
        or abs(np.linalg.det(affine[:3, :3])) < 1e-12
    ):
        raise IsegmError(
            f"{path} has no usable orientation: its affine does not map voxels to space; correct"
            " its header"
        )
    unit = image.header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        raise IsegmError(f"{path} gives its voxels in {unit}; expected mm: rewrite its header")
    code = int(image.header["sform_code"]) or int(image.header["qform_code"])
    if not code:
        raise IsegmError(
            f"{path} does not say how it is oriented (sform and qform codes are 0), so slices might"
            " be mirrored; set the orientation in its header"
        )
    return Geometry(shape, tuple(tuple(float(v) for v in row) for row in affine), code)
