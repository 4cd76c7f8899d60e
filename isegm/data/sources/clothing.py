"""Clothing Co-Parsing (CCP): photographs of people in which every piece of clothing is labelled;
pieces and person are objects.

Layout, as downloaded: ``<root>/photos/NNNN.jpg`` and ``<root>/annotations/pixel-level/NNNN.mat``
for about half of them. Stems in ``<root>/leave_out.txt`` are never read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from easydict import EasyDict
from scipy.io import loadmat

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.leave_out import left_out
from isegm.data.reading import CorruptSample, check_size, read_image
from isegm.utils.config import require_path

PERSON = 1  # the label in the layer of whole people


class ClothingCoParsing:
    """The annotated photographs. Skin, hair and every kind of clothing are objects, and so is the
    whole person.

    Raises:
        IsegmError: files are missing.
    """

    def __init__(self, root: Path) -> None:
        without = left_out(root)
        annotations = sorted((root / "annotations" / "pixel-level").glob("*.mat"))
        if not annotations:
            raise IsegmError(
                f"CCP: there are no annotations in {root / 'annotations' / 'pixel-level'}"
            )
        self._files = [
            (root / "photos" / f"{a.stem}.jpg", a) for a in annotations if a.stem not in without
        ]
        missing = [str(image) for image, _ in self._files if not image.exists()]
        if missing:
            raise IsegmError(
                f"CCP: {len(missing)} photographs are missing, the first being {missing[0]}"
            )

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        path, annotation = self._files[index]
        image, labels = read_image(path), _labels(annotation)
        check_size(image, labels, path, annotation)
        layers = np.stack([labels, (labels > 0).astype(np.uint8) * PERSON], 2)
        pieces = {int(label): ObjectInfo(0, int(label)) for label in np.unique(labels) if label}
        return InstanceSample(image, layers, {0: ObjectInfo(1, PERSON), **pieces}, id=str(path))


def clothing_images(cfg: EasyDict) -> ClothingCoParsing:
    """``ClothingCoParsing`` at ``cfg.CCP_PATH``."""
    return ClothingCoParsing(require_path(cfg, "CCP_PATH", "CCP"))


def _labels(path: Path) -> np.ndarray:
    """``H W`` uint8: 0 = nobody, else the kind of what is seen."""
    try:
        return loadmat(path)["groundtruth"].astype(np.uint8)
    except (OSError, KeyError, ValueError, TypeError, NotImplementedError) as error:
        raise CorruptSample(
            f"{path} is no annotation of CCP: {type(error).__name__}: {error}"
        ) from None
