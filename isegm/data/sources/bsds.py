"""BSDS500: photographs that several people divided into regions; every region is an object.

Layout, as downloaded: ``<root>/images/{train,val,test}/<stem>.jpg`` and
``<root>/groundTruth/{train,val,test}/<stem>.mat``.

The evaluation sets Berkeley and GrabCut hold photographs of it. Files listed in
``<root>/leave_out.txt`` are never read; ``scripts/prepare_starter_data.py`` writes that list.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError, unknown
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.leave_out import left_out
from isegm.data.matlab import label_maps
from isegm.data.places import require_path
from isegm.data.reading import check_size, list_images, read_image

SPLITS = ("train", "val", "test")
MOST_REGIONS = 65_535


class BSDS:
    """The photographs of some splits; each reading takes the regions of one person, at random.

    Args:
        root: the folder that holds ``images`` and ``groundTruth``.
        splits: which of train, val and test to use.

    Raises:
        IsegmError: a split does not exist, or files are missing.
    """

    def __init__(self, root: Path, splits: tuple[str, ...] = SPLITS) -> None:
        for split in splits:
            if split not in SPLITS:
                raise unknown("split of BSDS500", split, SPLITS)
        without = left_out(root)
        found = [p for split in splits for p in list_images(root / "images" / split, "BSDS500")]
        self._files = [(path, _annotation(path)) for path in found if path.stem not in without]
        missing = [str(mat) for _, mat in self._files if not mat.exists()]
        if missing:
            count = f"{len(missing)} of {len(self._files)} annotations"
            advice = "copy groundTruth/ completely"
            raise IsegmError(f"BSDS500: {count} are missing, e.g. {missing[0]}; {advice}")

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        path, annotation = self._files[index]
        people = _segmentations(annotation)
        labels = people[rng.integers(len(people))]
        image = read_image(path)
        check_size(image, labels, path, annotation)
        objects = {int(label): ObjectInfo(0, int(label)) for label in np.unique(labels) if label}
        return InstanceSample(image, labels[:, :, None], objects, id=str(path))


def bsds_images(cfg: EasyDict) -> BSDS:
    """``BSDS`` at ``cfg.BSDS_PATH``, all splits."""
    return BSDS(require_path(cfg, "BSDS_PATH", "BSDS500"))


def _annotation(image: Path) -> Path:
    return image.parents[2] / "groundTruth" / image.parent.name / f"{image.stem}.mat"


def _segmentations(path: Path) -> list[np.ndarray]:
    """``H W`` uint16 per person; regions are numbered from 1."""
    what = "BSDS500, groundTruth{i}.Segmentation"
    return label_maps(path, what, "groundTruth", _regions, MOST_REGIONS)


def _regions(people: np.ndarray) -> list[np.ndarray]:
    return [person["Segmentation"][0, 0] for person in people[0]]
