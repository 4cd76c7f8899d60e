"""Training images with one object and one mask file each: the high-quality sets of saliency and
matting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.evaluation_sets import stem
from isegm.data.reading import CorruptSample, check_size, list_images, read_image, read_mask
from isegm.data.tables import Texts


class MaskPairs:
    """A training source of (image, mask) files.

    Args:
        name: for messages.
        pairs: the files.
        above: the object is where the first channel of the mask exceeds this.

    Raises:
        IsegmError: there are none.
    """

    def __init__(self, name: str, pairs: Sequence[tuple[Path, Path]], above: int = 128) -> None:
        if not pairs:
            raise IsegmError(f"{name}: no image has a mask")
        self._above = above
        self._images = Texts(str(image) for image, _ in pairs)
        self._masks = Texts(str(mask) for _, mask in pairs)

    def __len__(self) -> int:
        return len(self._images)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        image_path, mask_path = Path(self._images[index]), Path(self._masks[index])
        image, mask = read_image(image_path), read_mask(mask_path) > self._above
        check_size(image, mask, image_path, mask_path)
        if not mask.any():
            raise CorruptSample(f"{mask_path} holds no object: no pixel is above {self._above}")
        return InstanceSample(
            image, mask.astype(np.uint8)[:, :, None], {0: ObjectInfo(0, 1)}, id=str(image_path)
        )


def paired_by_stem(
    name: str, image_dir: Path, mask_dir: Path, image_suffixes: Iterable[str] = ()
) -> list[tuple[Path, Path]]:
    """The images and masks with the same name up to the first dot, sorted by it; masks without an
    image are left out.

    Args:
        image_suffixes: tell images from masks where both are in the same folder; empty otherwise.

    Raises:
        IsegmError: a folder is missing or holds no picture, an image has no mask.
    """
    suffixes = set(image_suffixes)
    images, masks = list_images(image_dir, name), list_images(mask_dir, name)
    if suffixes:
        images = [path for path in images if path.suffix.lower() in suffixes]
        masks = [path for path in masks if path.suffix.lower() not in suffixes]
    by_stem = {stem(path): path for path in masks}
    missing = [path.name for path in images if stem(path) not in by_stem]
    if missing:
        raise IsegmError(
            f"{name}: {len(missing)} of {len(images)} images have no mask in {mask_dir}, e.g."
            f" {missing[0]}"
        )
    return [(path, by_stem[stem(path)]) for path in images]
