"""Half precision and 8 bits: smaller files, nearly the same masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import isegm
from isegm.cli import export
from isegm.cli.commands import parser_of
from isegm.core.errors import IsegmError
from isegm.data.reading import read_image
from isegm.evaluation.metrics import mask_iou
from isegm.export.onnx import Exported, write
from isegm.export.precision import halved, quantized
from isegm.utils.config import REPOSITORY

PHOTO = read_image(REPOSITORY / "assets/photos/coffee.jpg")
CLICK = (PHOTO.shape[0] // 2, PHOTO.shape[1] // 2, True)


@pytest.mark.parametrize(
    ("variant", "dtype", "share", "least"),
    [(halved, "fp16", 0.6, 0.98), (lambda made: quantized(made, [PHOTO]), "int8", 0.4, 0.8)],
    ids=["fp16", "int8"],
)
def test_smaller_files_with_similar_masks(
    starter: Path,
    tmp_path: Path,
    variant: Callable[[Exported], Exported],
    dtype: str,
    share: float,
    least: float,
) -> None:
    made = variant(Exported({"decoder": onnx.load(starter)}, True))
    (file,) = write(made, tmp_path)
    assert file.stat().st_size < share * starter.stat().st_size
    engines = isegm.Engine(starter), isegm.Engine(file)
    assert engines[1].model.metadata["dtype"] == dtype
    masks = [engine.click(engine.start(PHOTO, "RGB"), *CLICK).mask for engine in engines]
    assert masks[0].any()
    assert mask_iou(masks[1], masks[0].astype(np.int8)) > least


def test_ranges_need_photographs(starter: Path) -> None:
    with pytest.raises(IsegmError, match="need some photographs"):
        quantized(Exported({"decoder": onnx.load(starter)}, True), [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dtype", "int8", "--calibrate", "nowhere"], "nowhere: there is no such folder"),
        (["--dtype", "int8", "--calibrate", "."], "no image in this folder"),
        (["--dtype", "fp16", "--calibrate", "."], "is for --dtype int8, not fp16"),
    ],
)
def test_mistakes_are_found_before_the_export(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parser = parser_of("export")
    args = parser.parse_args(["nothing.pth", "out.onnx", *words])  # never looked for
    with pytest.raises(IsegmError, match=message):
        export.main(args)
