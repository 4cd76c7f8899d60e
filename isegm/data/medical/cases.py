"""Pairs of true and predicted volumes, from folders of slices, NIfTI files, or folders of those."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isegm.core.errors import IsegmError
from isegm.data.medical.slices import Sidecar, mask_file, read_sidecars, read_slice
from isegm.data.medical.volumes import is_volume, read_object, volume_name

log = logging.getLogger("isegm")


@dataclass(frozen=True)
class Case:
    """One volume.

    Attributes:
        name: of the volume.
        gt, pred: ``S R C`` bool.
        spacing: millimetres between slices, rows and columns.
        slices: the slices to judge, by index from the feet up: those where either is not empty.
        complete: whether the whole volume was predicted and can be judged as one.
    """

    name: str
    gt: np.ndarray
    pred: np.ndarray
    spacing: tuple[float, float, float]
    slices: tuple[int, ...]
    complete: bool = True


def cases(
    truth: Path, prediction: Path, organ: str, labels: tuple[int, ...], skip_missing: bool = False
) -> Iterator[Case]:
    """Pair truth and prediction, volume by volume.

    Args:
        truth: a folder written by ``isegm extract-slices``, a label volume, or a folder of those.
        prediction: for slices the folder of their masks; else a mask volume of 0 and 1, or a folder
            of those with the names of the label volumes.
        organ: what the slices must show.
        labels: the numbers of the object in label volumes; slices carry theirs.
        skip_missing: leave out what has no prediction, instead of raising.

    Raises:
        IsegmError: something is missing, cannot be read, shows another organ, or does not match in
            shape or orientation.
    """
    for path, kind in ((truth, "truth"), (prediction, "prediction")):
        if not path.exists():
            raise IsegmError(f"there is no {kind} {path}")
    if (truth / "volumes").is_dir():
        return _from_slices(truth, prediction, organ, skip_missing)
    return _from_volumes(_volume_pairs(truth, prediction, skip_missing), labels)


def _from_slices(root: Path, folder: Path, organ: str, skip_missing: bool) -> Iterator[Case]:
    sidecars = read_sidecars(root)
    if others := {s.settings.organ for s in sidecars} - {organ}:
        raise IsegmError(f"{root} holds slices of {', '.join(sorted(others))}, not of {organ}")
    missing = [id_ for sidecar in sidecars for id_ in sidecar.ids if mask_file(folder, id_) is None]
    total = sum(len(sidecar.slices) for sidecar in sidecars)
    if len(missing) == total or (missing and not skip_missing):
        raise IsegmError(
            f"{folder} lacks {len(missing)} of {total} predicted masks, the first being"
            f" {missing[0] if missing else 'any'}; expected <slice>.png or <slice>/mask.png. Judge"
            " those that are there with --missing skip"
        )
    if missing:
        log.warning(
            "%d of %d slices have no prediction and are left out, with the volumes they belong to",
            len(missing),
            total,
        )
    for sidecar in sidecars:
        yield _slice_case(sidecar, root / "masks", folder)


def _slice_case(sidecar: Sidecar, truth: Path, folder: Path) -> Case:
    gt, pred = np.zeros(sidecar.geometry.size, bool), np.zeros(sidecar.geometry.size, bool)
    judged = []
    for index in sidecar.slices:
        id_ = sidecar.id(index)
        gt_file, pred_file = mask_file(truth, id_), mask_file(folder, id_)
        if gt_file is None:
            raise IsegmError(f"{truth} lacks {id_}.png; extract {sidecar.volume} again")
        if pred_file is not None:
            gt[index], pred[index] = read_slice(gt_file, sidecar), read_slice(pred_file, sidecar)
            judged.append(index)
    complete = len(judged) == len(sidecar.slices) and not sidecar.left_out
    return Case(sidecar.volume, gt, pred, sidecar.geometry.spacing, tuple(judged), complete)


def _volume_pairs(truth: Path, prediction: Path, skip_missing: bool) -> list[tuple[Path, Path]]:
    if truth.is_dir() != prediction.is_dir():
        raise IsegmError(
            f"{truth} and {prediction}: expected two NIfTI files, or two folders of them"
        )
    if truth.is_file():
        return [(truth, prediction)]
    truths = sorted(path for path in truth.iterdir() if is_volume(path))
    if not truths:
        raise IsegmError(f"{truth} holds neither slices (volumes/*.json) nor .nii or .nii.gz files")
    predictions = {volume_name(path): path for path in prediction.iterdir() if is_volume(path)}
    missing = [path.name for path in truths if volume_name(path) not in predictions]
    if len(missing) == len(truths) or (missing and not skip_missing):
        raise IsegmError(
            f"{prediction} lacks {len(missing)} of {len(truths)} predicted volumes, the first being"
            f" {missing[0]}. Judge those that are there with --missing skip"
        )
    if missing:
        log.warning(
            "%d of %d volumes have no prediction and are left out", len(missing), len(truths)
        )
    return [
        (path, predictions[volume_name(path)])
        for path in truths
        if volume_name(path) in predictions
    ]


def _from_volumes(pairs: list[tuple[Path, Path]], labels: tuple[int, ...]) -> Iterator[Case]:
    for truth, prediction in pairs:
        gt, pred = read_object(truth, labels), read_object(prediction, None)
        if not pred.geometry.same_grid(gt.geometry):
            raise IsegmError(
                f"{prediction} does not lie on the grid of {truth}: {pred.geometry} against"
                f" {gt.geometry}; resample the prediction onto the truth"
            )
        full = np.flatnonzero((gt.values | pred.values).any((1, 2)))
        yield Case(
            volume_name(truth), gt.values, pred.values, gt.geometry.spacing, tuple(map(int, full))
        )
