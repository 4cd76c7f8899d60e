"""DUTS: photographs with their salient objects in one mask (training).

Its two parts are DUTS-TR and DUTS-TE. Layout: ``<root>/<part>-Image/<name>.jpg`` and
``<root>/<part>-Mask/<name>.png``. Read as by FocalClick (above 128).
"""

from __future__ import annotations

from pathlib import Path

from isegm.core.errors import IsegmError
from isegm.data.leave_out import left_out
from isegm.data.pairs import paired_by_stem


def duts(root: Path) -> list[tuple[Path, Path]]:
    """(image, mask) files of the part that a folder holds, sorted by name.

    Images that ``leave_out.txt`` in the folder lists are left out.

    Raises:
        IsegmError: the folder does not hold exactly one folder of images.
    """
    found = sorted(root.glob("*-Image"))
    if len(found) != 1:
        expected = f"one folder <part>-Image in {root}, e.g. DUTS-TR-Image"
        raise IsegmError(f"DUTS: expected {expected}, found {len(found)}")
    masks = found[0].with_name(found[0].name.removesuffix("-Image") + "-Mask")
    pairs, without = paired_by_stem("DUTS", found[0], masks), left_out(root)
    return [pair for pair in pairs if pair[0].stem not in without]
