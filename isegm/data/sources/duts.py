"""DUTS: photographs with their salient objects in one mask (training); its two parts are DUTS-TR
and DUTS-TE.

Layout: ``<root>/<part>-Image/<name>.jpg`` and ``<root>/<part>-Mask/<name>.png``. Read as in the
code of arXiv 2204.02574 (above 128).
"""

from __future__ import annotations

from pathlib import Path

from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.data.leave_out import left_out
from isegm.data.pairs import MaskPairs, paired_by_stem
from isegm.data.places import require_path


def duts(root: Path) -> list[tuple[Path, Path]]:
    """(image, mask) files of the part that a folder holds, sorted by name; without those in
    ``leave_out.txt``.

    Raises:
        IsegmError: the folder does not hold exactly one folder of images.
    """
    found = sorted(root.glob("*-Image"))
    if len(found) != 1:
        raise IsegmError(
            f"DUTS: expected one folder <part>-Image in {root}, e.g. DUTS-TR-Image, found"
            f" {len(found)}"
        )
    pairs = paired_by_stem(
        "DUTS", found[0], found[0].with_name(found[0].name.removesuffix("-Image") + "-Mask")
    )
    without = left_out(root)
    return [pair for pair in pairs if pair[0].stem not in without]


def duts_images(cfg: EasyDict, part: str = "TR") -> MaskPairs:
    """The part "TR" or "TE", at ``cfg.DUTS_TR_PATH`` or ``cfg.DUTS_TE_PATH``, to train on."""
    return MaskPairs(f"DUTS-{part}", duts(require_path(cfg, f"DUTS_{part}_PATH", "DUTS")))
