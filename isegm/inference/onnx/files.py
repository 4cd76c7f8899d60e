"""Exported networks on disk: see docs/reference/onnx.md."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from isegm.core.errors import IsegmError
from isegm.inference.onnx.names import SUFFIX, main_file
from isegm.inference.protocol import Protocol

try:
    import onnxruntime
except ImportError:
    raise IsegmError(
        "an exported network needs onnxruntime; install it with: pip install onnxruntime"
    ) from None

READABLE = "1"  # the value of the entry "isegm" in the metadata
CPU_PROVIDER = "CPUExecutionProvider"
IMAGES = ("image", "image_features")  # names of the decoder's first input


class OnnxModel:
    """A network in ONNX files. It can be shared by threads; one pass uses as many cores as
    onnxruntime thinks best, or the environment variable ``OMP_NUM_THREADS`` says.

    Args:
        path: a file written by ``isegm export``, or the folder that holds its files.
        provider: of onnxruntime, which computes.

    Attributes:
        metadata: as docs/reference/onnx.md says.
        protocol: the protocol it was exported for.
        initial_mask: a mask that a session starts from is a previous mask.
        outputs: the names of what the decoder returns.
        state: the names of the decoder's state, e.g. ``("logits",)``; empty without one.
        encodes: there is an encoder, whose results are kept while the view stands still.
        refines: there is a second look.

    Raises:
        IsegmError: a file is missing, is no ONNX file, or was not written by ``isegm export``; or
            the provider could not be started.
    """

    def __init__(self, path: str | Path, provider: str = CPU_PROVIDER) -> None:
        main, self._provider = main_file(path), provider
        self._decoder = self._opened(main)
        self.metadata: dict[str, str] = self._metadata(main)
        self.initial_mask, self.protocol = _protocol(main, self.metadata["answers"])
        self._inputs = {each.name for each in self._decoder.get_inputs()}
        self.outputs = [each.name for each in self._decoder.get_outputs()]
        self.state = tuple(sorted(n[6:] for n in self._inputs if n.startswith("state_")))
        self._image = next(name for name in IMAGES if name in self._inputs)
        self._encoder = self._refiner = None
        if self.metadata["encoder"] != "identity":
            self._encoder = self._opened(main.with_name(f"encoder{SUFFIX}"))
        if "features" in self.outputs:
            self._refiner = self._opened(main.with_name(f"refiner{SUFFIX}"))
        self.encodes, self.refines = self._encoder is not None, self._refiner is not None

    def encode(self, image: np.ndarray, clicks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What the decoder needs of a view, ``1 3 h w`` in [0, 1]."""
        if self._encoder is None:
            return {self._image: image}
        given = {"image": image, **clicks}
        names = [each.name for each in self._encoder.get_inputs()]
        made = self._encoder.run(None, {name: given[name] for name in names})
        return dict(zip([each.name for each in self._encoder.get_outputs()], made, strict=True))

    def decode(self, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The decoder's outputs by name; inputs that it does not have are ignored."""
        size = given["prev_mask"].shape[-2:]
        if self.metadata.get("size", "free") not in ("free", "{} x {}".format(*size)):
            raise IsegmError(
                f"a view of {size[0]} x {size[1]} pixels: the network was exported for"
                f" {self.metadata['size']}; use its own protocol, or export it for another"
            )
        shown = {name: value for name, value in given.items() if name in self._inputs}
        return dict(zip(self.outputs, self._decoder.run(None, shown), strict=True))

    def look_closer(self, given: dict[str, np.ndarray]) -> np.ndarray:
        """The refiner's logits, ``1 1 h w``."""
        return self._refiner.run(None, given)[0]

    def _opened(self, path: Path) -> Any:
        if not path.is_file():
            raise IsegmError(
                f"there is no {path}; isegm export CHECKPOINT {path.parent}/ writes it"
            )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        threads = os.environ.get("OMP_NUM_THREADS", "")  # which torch heeds, too
        if threads.isdigit():
            options.intra_op_num_threads = int(threads)
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=[self._provider])
        except Exception as error:  # onnxruntime's own classes have no common base
            reason = str(error).splitlines()[0][:200]
            raise IsegmError(f"{path} cannot be read as an ONNX file: {reason}") from None
        if self._provider not in session.get_providers():  # it falls back to the CPU in silence
            raise IsegmError(
                f"onnxruntime could not start {self._provider}; see its requirements for CUDA and"
                f" cuDNN, or use {CPU_PROVIDER}"
            )
        return session

    def _metadata(self, path: Path) -> dict[str, str]:
        found = dict(self._decoder.get_modelmeta().custom_metadata_map)
        if found.get("isegm") != READABLE or found.get("part") not in ("decoder", "model"):
            what = f"part {found['part']!r}" if "part" in found else "no file of isegm export"
            raise IsegmError(
                f"{path} is {what} (version {found.get('isegm')!r}); expected a decoder or a single"
                f" file of version {READABLE}, as isegm export writes them"
            )
        return found


def _protocol(path: Path, answers: str) -> tuple[bool, Protocol]:
    try:
        values = json.loads(answers)
        return values.pop("initial_mask"), Protocol(**values)
    except (ValueError, TypeError, KeyError, AttributeError, IsegmError) as error:
        raise IsegmError(f"{path}: its metadata entry answers is damaged: {error}") from None
