"""The modes of evaluation scripts: the network alone, or test-time optimization around it.

Each method's file lists its modes, see ``isegm.methods.base.Mode``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

import isegm.methods
from isegm.core.errors import IsegmError, unknown
from isegm.methods.base import ClickModel, Mode


def _listed() -> dict[str, Mode]:
    """All modes by name, one pass of the network first."""
    names = sorted(info.name for info in pkgutil.iter_modules(isegm.methods.__path__))
    modules = [importlib.import_module(f"{isegm.methods.__name__}.{name}") for name in names]
    modes = [mode for module in modules for mode in getattr(module, "MODES", ())]
    modes.sort(key=lambda mode: mode.around is not None)
    return {mode.name: mode for mode in (Mode("NoBRS"), *modes)}


MODES = _listed()
PLAIN = tuple(name for name in MODES if MODES[name].around is None)  # one pass of the network


def with_mode(
    model: ClickModel,
    mode: str,
    clicks_limit: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> tuple[ClickModel, int | None]:
    """The model that answers in a mode, and the ``clicks_limit`` of its ``Predictor``.

    Args:
        model: a network; an optimization already around it is replaced.
        mode: one of ``MODES``. Optimizations need a network with insertion points.
        clicks_limit: the network sees only the first clicks, up to this many. None: all of them for
            the network alone, otherwise the published number. An optimization applies the limit
            itself, since it must see every click.
        settings: of the optimization, by name; the others keep their published values.

    Raises:
        IsegmError: an unknown mode, or one that the network does not support.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    chosen, network = MODES[mode], model.unwrapped
    if chosen.needs is not None and not isinstance(network, chosen.needs):
        raise IsegmError(
            f"mode {mode} needs a network of {chosen.needs.__name__},"
            f" the checkpoint holds {type(network).__name__}; use {PLAIN[0]}"
        )
    if chosen.around is None:
        return network, clicks_limit
    return chosen.around(network, clicks_limit, settings), None


def fitting(model: ClickModel) -> tuple[str, ...]:
    """The optimizing modes that a network supports."""
    return tuple(name for name in MODES if name not in PLAIN and MODES[name].fits(model))
