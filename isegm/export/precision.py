"""Smaller and faster variants of an exported network: half precision, and 8-bit integers.

Both change answers, so measure NoC before using one; docs/how-to/export.md has that of the starter.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from isegm.core.click import Click
from isegm.core.errors import IsegmError
from isegm.export.onnx import Exported, described, notes_of, write
from isegm.inference.onnx.files import OnnxModel
from isegm.inference.onnx.predictor import OnnxPredictor

try:
    from onnxruntime import quantization
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
except ImportError as error:
    raise IsegmError(
        f"other precisions need {error.name}; install it with: pip install 'isegm[onnx]'"
    ) from None

QUANTIZED = ("Conv", "MatMul", "Gemm")
# Of a session for calibration: shares of the height and width, and whether it is on the object.
CLICKS = ((0.5, 0.5, True), (0.15, 0.15, False), (0.6, 0.4, True))


def halved(made: Exported) -> Exported:
    """The network in float16; its inputs and outputs stay as they are."""
    graphs = {}
    for name, graph in made.graphs.items():
        half = convert_float_to_float16(
            _copied(graph), keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, "Where"]
        )
        graphs[name] = described(half, {**notes_of(graph), "dtype": "fp16"})
    return replace(made, graphs=graphs)


def quantized(made: Exported, images: Sequence[np.ndarray]) -> Exported:
    """The network with 8-bit convolutions and matrix products; sums, and all else, in float32.

    Args:
        images: photographs to choose the ranges by, ``H W 3`` uint8 RGB; a handful is enough.

    Raises:
        IsegmError: there is no image, or the network has several parts.
    """
    if not images:
        raise IsegmError("8 bits need some photographs to choose the ranges by")
    if not made.identity or "refiner" in made.graphs:
        raise IsegmError("8 bits are for networks of one part; this one has several: use fp16")
    decoder = made.graphs["decoder"]
    with tempfile.TemporaryDirectory() as folder:
        write(made, Path(folder))
        recorder = _Recorder(Path(folder))
        for image in images:
            recorder.play(image)
        target = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            str(Path(folder) / "decoder.onnx"),
            str(target),
            _Feeds(recorder.fed),
            op_types_to_quantize=list(QUANTIZED),
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            activation_type=quantization.QuantType.QUInt8,
        )
        small = onnx.load(target)
    graphs = {**made.graphs, "decoder": described(small, {**notes_of(decoder), "dtype": "int8"})}
    return replace(made, graphs=graphs)


class _Recorder(OnnxModel):
    """A network that keeps what its decoder is fed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fed: list[dict[str, np.ndarray]] = []

    def decode(self, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.fed.append({name: x for name, x in given.items() if name in self._inputs})
        return super().decode(given)

    def play(self, image: np.ndarray) -> None:
        predictor = OnnxPredictor(self, self.protocol)
        session = predictor.start(image)
        for y, x, positive in CLICKS:
            click = Click(int(y * image.shape[0]), int(x * image.shape[1]), positive)
            session = predictor.click(session, click)


class _Feeds(quantization.CalibrationDataReader):
    def __init__(self, fed: list[dict[str, np.ndarray]]) -> None:
        self._next: Iterator[dict[str, np.ndarray]] = iter(fed)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._next, None)


def _copied(graph: Any) -> Any:
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    return model
