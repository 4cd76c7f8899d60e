"""Pictures of every kind give RGB, 8 bit; damaged files one clear error."""

import logging
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from isegm.core.errors import IsegmError
from isegm.data.reading import (
    CorruptSample,
    check_size,
    checked_image,
    list_images,
    read_image,
    read_labels,
    read_mask,
    stored_size,
)
from isegm.data.sources.folder import FolderEvaluation

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


TURNS = {  # EXIF orientation: what is seen, from what is stored
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}


def turned_file(folder: Path, kind: str, turn: int, pixels: np.ndarray) -> Path:
    """A file of one kind (``P``: with a palette) that says by EXIF how to turn its pixels."""
    exif, image = Image.Exif(), Image.fromarray(pixels)
    exif[0x0112] = turn
    if kind == "P":
        image.putpalette([value for i in range(256) for value in (i, i, i)])
    suffix = {"P": "png"}.get(kind, kind)
    exact = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}.get(kind, {})
    image.save(folder / f"a.{suffix}", exif=exif.tobytes(), **exact)
    return folder / f"a.{suffix}"


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kind", ["png", "P", "jpg", "tif", "webp"])
def test_every_reader_turns_every_format_alike(tmp_path: Path, kind: str, turn: int) -> None:
    stored = (np.arange(12).reshape(3, 4) * 20).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    path = turned_file(tmp_path, kind, turn, stored)
    seen, data = TURNS[turn](stored).astype(int), path.read_bytes()
    image, mask, (labels, palette) = read_image(path), read_mask(path), read_labels(path)
    assert palette == (kind == "P")
    for values in (image[:, :, 1], mask, labels):
        assert values.shape == seen.shape
        assert abs(values - seen).max() <= (2 if kind == "jpg" else 0)
        assert values.flags.c_contiguous or values.base is image
    if kind != "tif" or turn < 5:  # of TIFF files, Pillow before 11 tells the stored size
        assert stored_size(data, "a") == seen.shape
    if kind != "tif":  # OpenCV 5.0 fails for turned TIFF files on disk
        assert np.array_equal(image, cv2.imread(str(path))[:, :, ::-1]), "as OpenCV turns it"


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\xff" * 40])
def test_damaged_exif_turns_nothing(tmp_path: Path, exif: bytes) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == PICTURE.shape


def test_palette_masks_in_a_folder_lie_on_their_turned_image(tmp_path: Path) -> None:
    """Both from a phone that was held upright: the mask was painted over the stored pixels."""
    object_ = np.zeros((24, 32), np.uint8)
    object_[2:8, 4:20] = 1
    for name, kind in (("images", "jpg"), ("masks", "P")):
        (tmp_path / name).mkdir()
        turned_file(tmp_path / name, kind, 6, object_ * (200 if kind == "jpg" else 1))
    sample = FolderEvaluation(tmp_path / "images", tmp_path / "masks")[0]
    assert np.array_equal(sample.gt == 1, sample.image[:, :, 0] > 100)


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


READERS = (read_image, read_mask, read_labels)
SAMPLING = {
    name: getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{name}")
    for name in ("411", "420", "422", "440", "444")
}


def jpeg(*flags: int, pixels: np.ndarray = PICTURE) -> bytes:
    return cv2.imencode(".jpg", pixels, flags)[1].tobytes()


@pytest.mark.parametrize("sampling", SAMPLING)
@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("quality", [30, 95])
def test_jpeg_pixels_are_those_of_opencv(
    tmp_path: Path, sampling: str, progressive: int, quality: int
) -> None:
    path = tmp_path / "a.jpg"
    large = cv2.resize(PICTURE, (93, 71), interpolation=cv2.INTER_CUBIC)
    flags = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[sampling])
    flags += (cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_QUALITY, quality)
    for pixels in (large, large[:, :, 0]):
        path.write_bytes(jpeg(*flags, pixels=pixels))
        assert np.array_equal(read_image(path), cv2.imread(str(path))[:, :, ::-1])
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(
            read_labels(path)[0], stored[..., ::-1] if stored.ndim > 2 else stored
        )


def test_a_jpeg_that_only_opencv_decodes(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(np.dstack([PICTURE, PICTURE[:, :, 0]]), "CMYK").save(path)
    assert np.array_equal(read_image(path), cv2.imread(str(path))[:, :, ::-1])


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("progressive", [0, 1])
def test_half_a_jpeg_with_an_end_marker_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture, read: Callable, progressive: int
) -> None:
    """OpenCV fills the rest with gray."""
    large = cv2.resize(PICTURE, (640, 480), interpolation=cv2.INTER_CUBIC)
    data = jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, pixels=large)
    path = tmp_path / "half.jpg"
    path.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    with pytest.raises(CorruptSample, match=r"half\.jpg is cut off or damaged: .*premature end"):
        read(path)
    assert capfd.readouterr().err == ""


def test_superfluous_bytes_in_a_jpeg_are_harmless(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg()[:-2] + bytes(20) + b"\xff\xd9")
    assert np.array_equal(
        read_image(path), cv2.imdecode(np.frombuffer(jpeg(), np.uint8), 1)[..., ::-1]
    )
    assert capfd.readouterr().err == ""


def png_with(kind: bytes, content: bytes) -> bytes:
    """The picture as PNG with one more chunk behind its header."""
    data = cv2.imencode(".png", PICTURE)[1].tobytes()
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return data[:33] + struct.pack(">I", len(content)) + kind + content + checksum + data[33:]


def test_a_damaged_color_profile_is_ignored_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_with(b"iCCP", b"x\0\0" + zlib.compress(b"no profile")))
    for read in READERS:
        pixels = read(path)
        assert np.array_equal(pixels[0] if read is read_labels else pixels, read_of(path, read))
    assert capfd.readouterr().err == ""


def read_of(path: Path, read: Callable) -> np.ndarray:
    """What a reader should give for the picture."""
    return PICTURE[:, :, 0] if read is read_mask else PICTURE[:, :, ::-1]


@pytest.mark.parametrize("read", READERS)
def test_a_png_of_wrong_pixels_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture, read: Callable
) -> None:
    data = bytearray(png_with(b"tEXt", b"a\0b"))
    data[len(data) // 2] ^= 1
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(CorruptSample, match=r"a\.png is damaged: a checksum"):
        read(path)
    assert capfd.readouterr().err == ""


def test_commands_keep_opencv_quiet(tmp_path: Path) -> None:
    """An error names the file; OpenCV's own lines do not."""
    image = tmp_path / "cut.bmp"
    image.write_bytes(cv2.imencode(".bmp", PICTURE)[1].tobytes()[:500])
    words = ["try", "--image", str(image), "--clicks", "5,5,1", "--cpu"]
    clean = {k: v for k, v in os.environ.items() if k != "OPENCV_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-m", "isegm", *words], capture_output=True, env=clean)
    said = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert len(said) == 1
    assert "cut.bmp is not a readable image" in said[0]


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


def png_header(columns: int, rows: int) -> bytes:
    """A PNG that says it is this large and holds one pixel."""
    data = bytearray(cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))[1].tobytes())
    data[16:24] = struct.pack(">II", columns, rows)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def test_an_image_that_is_too_large_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_header(50_000, 50_000))
    with pytest.raises(CorruptSample, match=r"a\.png is too large: .*2500000000 pixels"):
        read_image(tmp_path / "a.png")
    with pytest.raises(IsegmError, match="is too large"):
        checked_image(png_header(50_000, 50_000), "a.png")
    with pytest.raises(IsegmError, match="10000 x 9000 pixels; at most 50,000,000"):
        checked_image(png_header(10_000, 9_000), "a.png")
