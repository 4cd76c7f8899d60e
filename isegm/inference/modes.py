"""The modes of evaluation scripts: the network alone, or with test-time optimisation around it.

Each method's file lists the modes that it brings, see ``isegm.methods.base.Mode``.
"""

from __future__ import annotations

import importlib
import pkgutil

import isegm.methods
from isegm.core.errors import IsegmError, unknown
from isegm.methods.base import ClickModel, Mode
from isegm.nn.brs import BRSSettings


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
    settings: BRSSettings | None = None,
) -> tuple[ClickModel, int | None]:
    """The model to answer with, and the ``clicks_limit`` of its ``Predictor``.

    Args:
        model: a network. An optimisation around it is replaced; it needs insertion points for one.
        mode: one of ``MODES``.
        clicks_limit: the network sees only this many clicks, the first ones. None: all of them with
            the network alone, and the published number otherwise. An optimisation applies the limit
            by itself, since it must see every click.
        settings: of the optimisation.

    Raises:
        IsegmError: an unknown mode, or one that the model cannot have.
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
    """The modes that optimise around a network of this kind."""
    return tuple(name for name in MODES if name not in PLAIN and MODES[name].fits(model))
