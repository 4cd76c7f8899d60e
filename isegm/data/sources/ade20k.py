"""ADE20K: scenes in which everything is an object (training).

Layout: that of the release ADE20K_2016_07_26. Below ``<root>/images/{training,validation}``, in any
depth, ``<name>.jpg``; ``<name>_seg.png`` and, for parts of objects, parts of parts and so on,
``<name>_parts_1.png`` ..., whose blue channels number the objects; and ``<name>_atr.txt``, which
names them.

Two ways to read it. That of arXiv 2204.02574: every number but 0 of ``_seg.png`` is an object,
walls and sky included, and parts are left aside. That of arXiv 2102.06583 (``parts=True``): one of
these pictures, drawn at each reading, and stuff by its name.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.places import require_path
from isegm.data.reading import CorruptSample, check_size, read_image, read_mask
from isegm.data.tables import Texts

SUFFIX = "_seg.png"
# What is stuff, by arXiv 2102.06583.
_STUFF = (
    "bridge,building,bush,cabinet,carpet,ceiling,couch,crosswalk,curtain,cushion,door,drape,drapery,earth,edifice,fence,"
    "fencing,field,floor,flooring,grass,ground,hay"
    " bale,hill,house,land,lounge,mantle,mount,mountain,pall,path,pavement,pole,"
    "river,road,route,rug,sand,sea,seat,shrub,sidewalk,sign,signboard,sky,skyscraper,snow,sofa,soil,span,stairs,steps,"
    "street lamp,streetlight,table,towel,tree,wall,water,wave,window,windowpane"
)
STUFF = frozenset(_STUFF.split(","))


class ADE20K:
    """The images of a split, sorted by path.

    Args:
        root: the folder ADE20K_2016_07_26.
        split: ``"training"`` or ``"validation"``.
        parts: the second way of reading.
        stuff_prob: with ``parts``: probability that stuff is an object too, drawn at each reading.
            # differs from the original: it compares positions with numbers there, and so takes
            other objects for stuff.

    Raises:
        IsegmError: the folder is missing or holds no annotation.
    """

    def __init__(
        self, root: Path, split: str = "training", parts: bool = False, stuff_prob: float = 0.0
    ) -> None:
        self._folder, self._parts, self._stuff_prob = root / "images" / split, parts, stuff_prob
        if not self._folder.is_dir():
            raise IsegmError(
                f"ADE20K: there is no folder {self._folder}; point ADE20K_PATH at ADE20K_2016_07_26"
            )
        found = sorted(
            str(path.relative_to(self._folder)) for path in self._folder.rglob(f"*{SUFFIX}")
        )
        if not found:
            raise IsegmError(f"ADE20K: no file below {self._folder} is called <name>{SUFFIX}")
        self._names = Texts(name.removesuffix(SUFFIX) for name in found)

    def __len__(self) -> int:
        return len(self._names)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        name = self._names[index]
        image_path = self._folder / f"{name}.jpg"
        level = int(rng.integers(self._levels(name))) if self._parts else 0
        mask_path = self._folder / (f"{name}_parts_{level}.png" if level else f"{name}{SUFFIX}")
        image, labels = read_image(image_path), read_mask(mask_path)
        check_size(image, labels, image_path, mask_path)
        numbers = np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1
        if self._parts and not (self._stuff_prob > 0 and rng.random() < self._stuff_prob):
            stuff = stuff_numbers(self._folder / f"{name}_atr.txt", level)
            numbers = [number for number in numbers.tolist() if number not in stuff]
        objects = {key: ObjectInfo(0, int(label)) for key, label in enumerate(numbers)}
        return InstanceSample(image, labels[:, :, None], objects, id=str(image_path))

    def _levels(self, name: str) -> int:
        """How many pictures number objects: the scene, and a level of parts each."""
        level = 1
        while (self._folder / f"{name}_parts_{level}.png").exists():
            level += 1
        return level


def ade20k_images(
    cfg: EasyDict, split: str = "training", parts: bool = False, stuff_prob: float = 0.0
) -> ADE20K:
    """``ADE20K`` at ``cfg.ADE20K_PATH``."""
    return ADE20K(require_path(cfg, "ADE20K_PATH", "ADE20K"), split, parts, stuff_prob)


def stuff_numbers(path: Path, level: int) -> set[int]:
    """The numbers of the objects that are stuff, of a level of parts (0: the whole scene), by
    ``STUFF``.

    Raises:
        CorruptSample: the file is missing or no list of attributes.
    """
    found = set()
    try:
        for line in path.read_text(errors="replace").splitlines():
            if not line.strip():
                continue
            number, part_level, _, names = line.split("#")[:4]
            if int(part_level) == level and STUFF & {name.strip() for name in names.split(",")}:
                found.add(int(number))
    except OSError as error:
        raise CorruptSample(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise CorruptSample(
            f"{path} is no list of attributes: expected 'number # level # occluded # names #' lines"
        ) from None
    return found
