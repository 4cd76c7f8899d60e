"""MSRA10K: photographs with one salient object (training).

Layout: ``<root>/Imgs/<name>.jpg`` and ``<root>/Imgs/<name>.png``, the mask, beside it. Read as in
the code of arXiv 2204.02574 (above 128).
"""

from __future__ import annotations

from pathlib import Path

from easydict import EasyDict

from isegm.data.pairs import MaskPairs, paired_by_stem
from isegm.data.places import require_path


def msra10k(root: Path) -> list[tuple[Path, Path]]:
    """(image, mask) files, sorted by name."""
    return paired_by_stem("MSRA10K", root / "Imgs", root / "Imgs", (".jpg", ".jpeg"))


def msra10k_images(cfg: EasyDict) -> MaskPairs:
    """All images, at ``cfg.MSRA10K_PATH``, to train on."""
    return MaskPairs("MSRA10K", msra10k(require_path(cfg, "MSRA10K_PATH", "MSRA10K")))
