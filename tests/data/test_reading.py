"""Pictures of every kind give RGB, 8 bit; damaged files one clear error."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from isegm.core.errors import IsegmError
from isegm.data.reading import (
    CorruptSample,
    check_size,
    list_images,
    read_image,
    read_labels,
    read_mask,
)

RNG = np.random.default_rng(0)
PICTURE = cv2.resize(
    RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8), (40, 30), interpolation=cv2.INTER_CUBIC
)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif"])
def test_ordinary_files_equal_imread(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    assert cv2.imwrite(str(path), PICTURE)
    expected = cv2.imread(str(path))
    assert np.array_equal(read_image(path), expected[:, :, ::-1])
    assert np.array_equal(read_mask(path), expected[:, :, 0])


def test_gray_is_repeated(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), PICTURE[:, :, 0])
    assert np.array_equal(read_image(tmp_path / "a.png"), np.repeat(PICTURE[:, :, :1], 3, 2))


def test_alpha_is_dropped(tmp_path: Path) -> None:
    alpha = RNG.integers(0, 256, (*PICTURE.shape[:2], 1), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), np.concatenate([PICTURE, alpha], 2))
    assert np.array_equal(read_image(tmp_path / "a.png"), PICTURE[:, :, ::-1])


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_is_scaled_to_8(tmp_path: Path, suffix: str, channels: int) -> None:
    deep = RNG.integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), deep)
    read = read_image(tmp_path / f"a.{suffix}")
    assert read.dtype == np.uint8
    difference = read.astype(int) - np.broadcast_to(deep // 256, (20, 30, 3))[:, :, ::-1]
    assert abs(difference).max() <= (suffix == "tif"), "OpenCV rounds in TIFF files"


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(PICTURE).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (40, 30, 3)


def test_palette_gives_colours_as_image_and_indices_as_labels(tmp_path: Path) -> None:
    indices = RNG.integers(0, 3, (10, 12), dtype=np.uint8)
    image = Image.fromarray(indices)
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png")[:, :, 0], np.where(indices == 1, 128, 0))
    labels, has_palette = read_labels(tmp_path / "a.png")
    assert has_palette
    assert np.array_equal(labels, indices)


def test_labels_of_gray_colour_and_deep_files(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (5, 6), dtype=np.uint16)
    for name, pixels in {
        "deep": deep,
        "colour": PICTURE,
        "gray": np.repeat(PICTURE[:, :, :1], 3, 2),
    }.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
    assert np.array_equal(read_labels(tmp_path / "deep.png")[0], deep)
    assert np.array_equal(read_labels(tmp_path / "colour.png")[0], PICTURE[:, :, ::-1])
    assert np.array_equal(read_labels(tmp_path / "gray.png")[0], PICTURE[:, :, 0])


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.6, 0.99])
def test_cut_off_files_are_corrupt(tmp_path: Path, suffix: str, share: float) -> None:
    whole = cv2.imencode(f".{suffix}", cv2.resize(PICTURE, (400, 300)))[1].tobytes()
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CorruptSample, match=r"bad\."):
        read_image(path)


def test_missing_foreign_and_directory(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "folder.jpg").mkdir()
    for name in ("none.jpg", "text.jpg", "folder.jpg"):
        with pytest.raises(CorruptSample, match=name):
            read_image(tmp_path / name)


def test_sizes_are_compared() -> None:
    check_size(np.zeros((4, 5, 3)), np.zeros((4, 5)), "a.jpg", "a.png")
    with pytest.raises(CorruptSample, match=r"a\.png is 5x4 .* is 4x5"):
        check_size(np.zeros((4, 5, 3)), np.zeros((5, 4)), "a.jpg", "a.png")


def test_listing_names_what_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with pytest.raises(IsegmError, match="no folder"):
        list_images(tmp_path / "none", "set")
    (tmp_path / "Thumbs.db").touch()
    (tmp_path / ".hidden.jpg").touch()
    with pytest.raises(IsegmError, match="holds no image"):
        list_images(tmp_path, "set")
    for name in ("b.JPG", "a.png"):
        (tmp_path / name).touch()
    assert [p.name for p in list_images(tmp_path, "set")] == ["a.png", "b.JPG"]
