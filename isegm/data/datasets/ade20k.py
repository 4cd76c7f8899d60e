"""ADE20K: scenes in which everything is an object (training).

Layout: that of the release ADE20K_2016_07_26. Below ``<root>/images/training``, in any depth, ``<name>.jpg`` and
``<name>_seg.png``, whose blue channel numbers the objects. Read as by FocalClick: every number but 0 is an object, walls and
sky included, and the annotations of parts are left aside.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.reading import check_size, read_image, read_mask
from isegm.data.tables import Texts

SUFFIX = "_seg.png"


class ADE20K:
    """The training images, sorted by path.

    Raises:
        IsegmError: the folder is missing or holds no annotation.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root / "images" / "training"
        if not self._folder.is_dir():
            raise IsegmError(f"ADE20K: there is no folder {self._folder}; point ADE20K_PATH at ADE20K_2016_07_26")
        found = sorted(str(path.relative_to(self._folder)) for path in self._folder.rglob(f"*{SUFFIX}"))
        if not found:
            raise IsegmError(f"ADE20K: no file below {self._folder} is called <name>{SUFFIX}")
        self._names = Texts(name.removesuffix(SUFFIX) for name in found)

    def __len__(self) -> int:
        return len(self._names)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        name = self._names[index]
        image_path, mask_path = self._folder / f"{name}.jpg", self._folder / f"{name}{SUFFIX}"
        image, labels = read_image(image_path), read_mask(mask_path)
        check_size(image, labels, image_path, mask_path)
        numbers = np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1
        objects = {key: ObjectInfo(0, int(label)) for key, label in enumerate(numbers)}
        return InstanceSample(image, labels[:, :, None], objects, id=str(image_path))
