"""DAVIS585: 585 objects in frames of DAVIS-2017, with masks to start from, for evaluating
corrections (arXiv 2204.02574).

``DAVIS585`` starts from nothing (also named ``D585_ZERO``), ``D585_SP`` from masks corrupted by
superpixels (IoU 0.75 to 0.85), ``D585_STM`` from masks propagated by a video method.

Layout: ``<root>/<sequence>/<frame>.jpg``, ``object<K>_<frame>.png`` and, for each,
``init_sp_object<K>_<frame>.png`` and ``init_stm_object<K>_<frame>.png``. Masks of both kinds: the
object above 128.

# differs from the original: samples are sorted by sequence and file name; there they come in the
order of os.listdir. Metrics are the same, only the order of records differs.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.core.samples import Sample
from isegm.data.evaluation_sets import EvalDataset, files_fingerprint
from isegm.data.places import require_path
from isegm.data.reading import CorruptSample, check_size, read_image, read_mask


class Davis585(EvalDataset):
    """One sample per object, with the id ``<sequence>/object<K>_<frame>``.

    Args:
        root: the folder of the sequences.
        init: the kind of mask to start from, ``"sp"`` or ``"stm"``; None for none.

    Raises:
        IsegmError: there is no object, or an object has no mask to start from.
    """

    def __init__(self, name: str, root: Path, init: str | None = None) -> None:
        self.name = name
        self._init = init
        self._masks = sorted(
            root.glob("*/object*_*.png"), key=lambda path: (path.parent.name, path.name)
        )
        if not self._masks:
            raise IsegmError(f"{name}: no file in {root} is named <sequence>/object<K>_<frame>.png")
        missing = [path for path in self._masks if init and not self._start_of(path).exists()]
        if missing:
            raise IsegmError(
                f"{name}: {len(missing)} of {len(self._masks)} objects have no mask to start from,"
                f" e.g. {self._start_of(missing[0])}"
            )

    def __len__(self) -> int:
        return len(self._masks)

    def __getitem__(self, index: int) -> Sample:
        mask_path = self._masks[index]
        image_path = _image_of(mask_path)
        image, gt = read_image(image_path), read_mask(mask_path) > 128
        check_size(image, gt, image_path, mask_path)
        if not gt.any():
            raise CorruptSample(f"{mask_path} holds no object: no pixel is above 128")
        start = None
        if self._init:
            start_path = self._start_of(mask_path)
            start = (read_mask(start_path) > 128).astype(np.float32)
            check_size(image, start, image_path, start_path)
        picture = f"{image_path.parent.name}/{image_path.stem}"
        return Sample(image, gt.astype(np.int8), self.ids()[index], start, picture)

    def ids(self) -> list[str]:
        return self._ids

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _ids(self) -> list[str]:
        return [f"{path.parent.name}/{path.stem}" for path in self._masks]

    @cached_property
    def _fingerprint(self) -> str:
        images = dict.fromkeys(_image_of(path) for path in self._masks)
        starts = [self._start_of(path) for path in self._masks] if self._init else []
        return files_fingerprint(self.ids(), images, [*self._masks, *starts])

    def _start_of(self, mask: Path) -> Path:
        return mask.with_name(f"init_{self._init}_{mask.name}")


def davis585(cfg: EasyDict) -> EvalDataset:
    return Davis585("DAVIS585", require_path(cfg, "DAVIS585_PATH", "DAVIS585"))


def d585_sp(cfg: EasyDict) -> EvalDataset:
    return Davis585("D585_SP", require_path(cfg, "DAVIS585_PATH", "D585_SP"), "sp")


def d585_stm(cfg: EasyDict) -> EvalDataset:
    return Davis585("D585_STM", require_path(cfg, "DAVIS585_PATH", "D585_STM"), "stm")


EVALUATION = {"DAVIS585": davis585, "D585_ZERO": davis585, "D585_SP": d585_sp, "D585_STM": d585_stm}


def _image_of(mask: Path) -> Path:
    return mask.with_name(f"{mask.stem.partition('_')[2]}.jpg")
