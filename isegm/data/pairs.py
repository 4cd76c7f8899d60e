"""Training images with one object each, cut out by a mask file of its own: the high-quality sets of
saliency and matting.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.evaluation_sets import stem
from isegm.data.reading import CorruptSample, check_size, list_images, read_image, read_mask
from isegm.data.tables import Texts


class MaskPairs:
    """A training source of (image, mask) files; the object is where the first channel of the mask
    is above 128.

    Args:
        name: for messages.
        pairs: the files.

    Raises:
        IsegmError: there are none.
    """

    def __init__(self, name: str, pairs: Iterable[tuple[Path, Path]]) -> None:
        images, masks = [], []
        for image, mask in pairs:
            images.append(str(image))
            masks.append(str(mask))
        if not images:
            raise IsegmError(f"{name}: no image has a mask")
        self._images, self._masks = Texts(images), Texts(masks)

    def __len__(self) -> int:
        return len(self._images)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        image_path, mask_path = Path(self._images[index]), Path(self._masks[index])
        image, mask = read_image(image_path), read_mask(mask_path) > 128
        check_size(image, mask, image_path, mask_path)
        if not mask.any():
            raise CorruptSample(f"{mask_path} holds no object: no pixel is above 128")
        return InstanceSample(
            image, mask.astype(np.uint8)[:, :, None], {0: ObjectInfo(0, 1)}, id=str(image_path)
        )


def paired_by_stem(
    name: str, image_dir: Path, mask_dir: Path, image_suffixes: Iterable[str] = ()
) -> list[tuple[Path, Path]]:
    """The files of two folders with the same name up to the first dot, sorted by it; masks without
    an image are left out.

    Args:
        image_suffixes: of the files that are images, where both kinds share a folder; every suffix
            if empty.

    Raises:
        IsegmError: a folder is missing or holds no picture, an image has no mask.
    """
    suffixes = set(image_suffixes)
    images = [
        p for p in list_images(image_dir, name) if not suffixes or p.suffix.lower() in suffixes
    ]
    masks = {
        stem(p): p
        for p in list_images(mask_dir, name)
        if not suffixes or p.suffix.lower() not in suffixes
    }
    missing = [p.name for p in images if stem(p) not in masks]
    if missing:
        raise IsegmError(
            f"{name}: {len(missing)} of {len(images)} images have no mask in {mask_dir}, e.g."
            f" {missing[0]}"
        )
    return [(p, masks[stem(p)]) for p in images]
