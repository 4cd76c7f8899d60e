"""Clothing Co-Parsing (CCP): photographs of people in which every piece of clothing is labeled.

Layout, as downloaded: ``<root>/photos/NNNN.jpg`` and, for about half of them,
``<root>/annotations/pixel-level/NNNN.mat``. Files that ``<root>/leave_out.txt`` lists are never
read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.leave_out import left_out
from isegm.data.matlab import label_maps
from isegm.data.places import require_path
from isegm.data.reading import CorruptSample, check_size, read_image

PERSON = 1  # the label in the layer of whole people


class ClothingCoParsing:
    """The annotated photographs: skin, hair and every kind of clothing, and the whole person.

    Args:
        root: the folder that holds ``photos`` and ``annotations``.

    Raises:
        IsegmError: files are missing.
    """

    def __init__(self, root: Path) -> None:
        without, folder = left_out(root), root / "annotations" / "pixel-level"
        annotations = sorted(folder.glob("*.mat"))
        if not annotations:
            raise IsegmError(f"CCP: there are no .mat files in {folder}; put the annotations there")
        kept = [path for path in annotations if path.stem not in without]
        self._files = [(root / "photos" / f"{path.stem}.jpg", path) for path in kept]
        missing = [str(image) for image, _ in self._files if not image.exists()]
        if missing:
            count = f"{len(missing)} of {len(self._files)} photographs"
            advice = "copy photos/ completely"
            raise IsegmError(f"CCP: {count} are missing, e.g. {missing[0]}; {advice}")

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        path, annotation = self._files[index]
        image = read_image(path)
        (labels,) = label_maps(annotation, "CCP, groundtruth", "groundtruth", lambda table: [table])
        check_size(image, labels, path, annotation)
        if not labels.any():  # so it is in one file of the download
            raise CorruptSample(f"{annotation} labels nothing: every pixel is 0")
        layers = np.stack([labels, (labels > 0).astype(np.uint8) * PERSON], 2)
        # The pieces are no parts of the person here: the sampler draws roots, hence roots.
        pieces = {int(label): ObjectInfo(0, int(label)) for label in np.unique(labels) if label}
        return InstanceSample(image, layers, {0: ObjectInfo(1, PERSON), **pieces}, id=str(path))


def clothing_images(cfg: EasyDict) -> ClothingCoParsing:
    """``ClothingCoParsing`` at ``cfg.CCP_PATH``."""
    return ClothingCoParsing(require_path(cfg, "CCP_PATH", "CCP"))
