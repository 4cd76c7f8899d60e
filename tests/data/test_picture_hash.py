"""Picture hashes recognize copies of a photograph, and nothing else."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from layouts import write

from isegm.core.errors import IsegmError
from isegm.data.picture_hash import KnownPictures, picture_hash, seen_in
from isegm.data.reading import CorruptSample, read_image


def photograph(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    """Smooth, as photographs are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (10, 14, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def known(tmp_path: Path) -> KnownPictures:
    return KnownPictures([write(tmp_path / "known" / f"{i}.png", photograph(i)) for i in range(5)])


def test_a_hash_has_256_bits() -> None:
    bits = picture_hash(photograph(0))
    assert bits.shape == (256,)
    assert bits.dtype == bool
    assert 40 < (bits != picture_hash(photograph(1))).sum() < 216


def test_copies_are_recognized(known: KnownPictures, tmp_path: Path) -> None:
    path = tmp_path / "copy.jpg"
    cv2.imwrite(str(path), photograph(3, 90, 130), [cv2.IMWRITE_JPEG_QUALITY, 60])
    assert known.like(read_image(path)).name == "3.png"
    mirrored = write(tmp_path / "mirrored.png", photograph(2)[:, ::-1])
    assert known.like(read_image(mirrored)).name == "2.png"
    brighter = np.clip(photograph(1).astype(int) // 2 + 60, 0, 255).astype(np.uint8)
    assert known.like(read_image(write(tmp_path / "b.png", brighter))).name == "1.png"


def test_other_photographs_are_not(known: KnownPictures, tmp_path: Path) -> None:
    others = [write(tmp_path / f"{i}.png", photograph(i)) for i in range(100, 130)]
    assert seen_in(others, known) == {}
    twin = write(tmp_path / "twin.png", photograph(4))
    assert seen_in([*others, twin], known) == {twin: known.paths[4]}


def test_nothing_known_and_unreadable_files(known: KnownPictures, tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match="no known photographs"):
        KnownPictures([])
    (tmp_path / "bad.jpg").write_bytes(b"bad")
    with pytest.raises(CorruptSample, match=r"bad\.jpg"):
        seen_in([tmp_path / "bad.jpg"], known)
