"""Packages that only some parts need: the extras of pyproject.toml."""

from __future__ import annotations

import importlib
from types import ModuleType

from isegm.core.errors import IsegmError


def needed(module: str, extra: str, what: str, package: str = "") -> ModuleType:
    """Import a module that comes with an extra.

    Args:
        module: its dotted name; a module of isegm that imports such packages is one, too.
        what: what needs it, for the message.
        package: what pip calls it, if that is not the name of the missing module.

    Raises:
        IsegmError: the module, or one that it imports, is not installed or does not load.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = error.name or module
        if missing.startswith("isegm"):
            raise
        raise IsegmError(
            f"{what} needs {package or missing} ({error}); install it with: pip install"
            f" 'isegm[{extra}]'"
        ) from None
