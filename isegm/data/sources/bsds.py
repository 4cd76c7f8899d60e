"""BSDS500: photographs that up to nine people each divided into regions; every region is an object
to train on.

Layout, as downloaded: ``<root>/images/{train,val,test}/<stem>.jpg`` and
``<root>/groundTruth/{train,val,test}/<stem>.mat``.

The evaluation sets Berkeley and GrabCut hold photographs of it. Stems listed in
``<root>/leave_out.txt``, one per line, are never read; ``scripts/prepare_starter_data.py`` writes
that file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from easydict import EasyDict
from scipy.io import loadmat

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.leave_out import left_out
from isegm.data.reading import CorruptSample, check_size, list_images, read_image
from isegm.utils.config import require_path

SPLITS = ("train", "val", "test")


class BSDS:
    """The photographs of all splits; each reading takes the regions that one person drew, chosen at
    random.

    Args:
        root: the folder that holds ``images`` and ``groundTruth``.
        splits: which of the three to use.

    Raises:
        IsegmError: files are missing.
    """

    def __init__(self, root: Path, splits: tuple[str, ...] = SPLITS) -> None:
        without = left_out(root)
        images = [
            path for split in splits for path in list_images(root / "images" / split, "BSDS500")
        ]
        self._files = [(path, _annotation(path)) for path in images if path.stem not in without]
        missing = [str(mat) for _, mat in self._files if not mat.exists()]
        if missing:
            raise IsegmError(
                f"BSDS500: {len(missing)} annotations are missing, the first being {missing[0]}"
            )

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
    try:
        people = loadmat(path)["groundTruth"][0]
        return [person["Segmentation"][0, 0].astype(np.uint16) for person in people]
    except (OSError, KeyError, IndexError, ValueError, TypeError, NotImplementedError) as error:
        raise CorruptSample(
            f"{path} is no annotation of BSDS500: {type(error).__name__}: {error}"
        ) from None
