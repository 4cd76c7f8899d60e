"""Libraries that only foreign models need."""

from __future__ import annotations

import importlib
from types import ModuleType

from isegm.core.errors import IsegmError


def needed(module: str, package: str, extra: str, what: str) -> ModuleType:
    """Import a module of an optional library.

    Raises:
        IsegmError: the library is not installed, or does not load; the message says what to do.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise IsegmError(
            f"{what} needs {package} ({error}): pip install {package}, or 'isegm[{extra}]'"
        ) from None
