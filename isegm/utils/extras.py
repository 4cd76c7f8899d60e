"""Packages that only some parts need: the extras of pyproject.toml."""

from __future__ import annotations

import importlib
from types import ModuleType

from isegm.core.errors import IsegmError


def needed(module: str, extra: str, what: str) -> ModuleType:
    """Import a module that comes with an extra.

    Args:
        module: its dotted name; a module of isegm that imports such packages is one, too.
        what: what needs it, for the message.

    Raises:
        IsegmError: the module, or one that it imports, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("isegm"):
            raise
        raise IsegmError(
            f"{what} needs {error.name}; install it with: pip install 'isegm[{extra}]'"
        ) from None
