"""MSRA10K: photographs with one salient object (training).

Layout: ``<root>/Imgs/<name>.jpg`` and ``<root>/Imgs/<name>.png``, the mask, beside it. Read as by FocalClick (above 128).
"""

from __future__ import annotations

from pathlib import Path

from isegm.data.pairs import paired_by_stem


def msra10k(root: Path) -> list[tuple[Path, Path]]:
    """(image, mask) files, sorted by name."""
    return paired_by_stem("MSRA10K", root / "Imgs", root / "Imgs", (".jpg", ".jpeg"))
