"""Reading the pickles of published data sets, which hold only plain values and numpy arrays."""

from __future__ import annotations

import collections
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from isegm.core.errors import IsegmError
from isegm.data.reading import CorruptSample


def read_pickle(path: Path) -> Any:
    """Load a pickle without letting it run code.

    Raises:
        CorruptSample: the file is missing, cut off or not a pickle.
        IsegmError: it asks for anything beyond plain values and numpy arrays.
    """
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file).load()
    except _Refused as refused:
        raise IsegmError(
            f"{path} is refused: it asks for {refused}, but a data set needs only plain values and"
            " arrays"
        ) from None
    except OSError as error:
        raise CorruptSample(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise CorruptSample(
            f"{path} is not a readable pickle ({type(error).__name__}: {error})"
        ) from None


class _Refused(Exception):
    pass


def _allowed() -> dict[tuple[str, str], Any]:
    """What a pickled array consists of, under the module names of numpy 1 and 2."""
    rebuild, scalar = np.zeros(1).__reduce__()[0], np.float32(0).__reduce__()[0]
    from_buffer = np.zeros(1).__reduce_ex__(5)[0]
    allowed = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("collections", "OrderedDict"): collections.OrderedDict,
    }
    for core in ("numpy.core", "numpy._core"):
        allowed[f"{core}.multiarray", "_reconstruct"] = rebuild
        allowed[f"{core}.multiarray", "scalar"] = scalar
        allowed[f"{core}.numeric", "_frombuffer"] = from_buffer
    return allowed


class _PlainUnpickler(pickle.Unpickler):
    allowed = _allowed()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):  # how old protocols write bytes
            return _latin_bytes
        if (module, name) not in self.allowed:
            raise _Refused(f"{module}.{name}")
        return self.allowed[module, name]


def _latin_bytes(text: str, encoding: str) -> bytes:
    return text.encode(encoding if encoding == "latin1" else "ascii")
