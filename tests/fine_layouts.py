"""Miniature copies of HQSeg-44K and of the medical slices, in their layouts on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from layouts import picture, rectangle, write


def hqseg44k(root: Path) -> Path:
    """Two images in each part for evaluation, the second first by name in DIS5K; masks in gray and
    in color.
    """
    thin = "thin_object_detection"
    parts = (
        ("DIS5K/DIS-VD/im", "DIS5K/DIS-VD/gt"),
        (f"{thin}/ThinObject5K/images_test", f"{thin}/ThinObject5K/masks_test"),
        (f"{thin}/COIFT/images", f"{thin}/COIFT/masks"),
        (f"{thin}/HRSOD/images", f"{thin}/HRSOD/masks_max255"),
    )
    return _two_in_each(root, parts)


def hqseg44k_training(root: Path) -> Path:
    """Two images in each part to train on; in most, images and masks share a folder."""
    thin = "thin_object_detection/ThinObject5K"
    shared = [
        (f"cascade_psp/{name}",) * 2
        for name in ("fss_all", "DUTS-TR", "DUTS-TE", "ecssd", "MSRA_10K")
    ]
    fine = ("DIS5K/DIS-TR/im", "DIS5K/DIS-TR/gt"), (f"{thin}/images_train", f"{thin}/masks_train")
    return _two_in_each(root, (*fine, *shared))


def _two_in_each(root: Path, parts: Sequence[tuple[str, str]]) -> Path:
    for images, masks in parts:
        for number, name in enumerate(("b#1#Cat#12", "a.1.x")):
            mask = rectangle(4, 5, 14, 20 + number, value=255)
            write(root / images / f"{name}.jpg", picture(seed=number))
            write(root / masks / f"{name}.png", np.dstack([mask] * 3) if number else mask)
    return root


def sstem(root: Path) -> Path:
    """Two slices: one with two mitochondria that touch at a corner, and one with one."""
    touching = rectangle(12, 20, 18, 26, value=255) + rectangle(2, 2, 12, 20, value=255)
    for name, mask in (("01", rectangle(4, 5, 14, 20, value=255)), ("00", touching)):
        write(root / "raw" / f"{name}.tif", picture()[:, :, 0])
        write(root / "mitochondria" / f"{name}.png", mask)
    return root


def brats(root: Path) -> Path:
    """Two slices; the numbers of a mask are parts of one tumor."""
    for name in ("b", "a"):
        write(root / "image" / f"{name}.png", picture())
        mask = rectangle(4, 5, 14, 20) + rectangle(6, 8, 10, 12, value=3)
        write(root / "annotation" / f"{name}.png", mask)
    return root


def oaizib(root: Path) -> Path:
    """Two slices, with cartilage 1 and 2, and with 2 alone."""
    both = rectangle(4, 5, 8, 20) + rectangle(12, 5, 16, 20, value=2)
    for name, mask in (("b", both), ("a", rectangle(12, 5, 16, 20, value=2))):
        write(root / "test" / "image" / f"{name}.png", picture())
        write(root / "test" / "annotations" / f"{name}.png", mask)
    return root
