"""isegm: click-based interactive image segmentation, one trainer and predictor for every method.

``isegm.Engine`` answers clicks, ``isegm.load`` loads a network. Both are imported on first use, so
that ``import isegm`` is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isegm.inference.engine import Engine, load

__version__ = "0.1.0"
__all__ = ["Engine", "__version__", "load"]
_LAZY = {"Engine": "isegm.inference.engine", "load": "isegm.inference.engine"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'isegm' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
