"""From a name to a model of somebody else."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import dataclass
from pathlib import Path

import torch

from isegm.core.errors import IsegmError
from isegm.foreign import hub
from isegm.foreign.base import Adapter, ForeignModel
from isegm.foreign.classical import base
from isegm.foreign.classical.base import METHODS
from isegm.foreign.names import Name
from isegm.foreign.plugin import Plugin


@dataclass(frozen=True)
class Opened:
    """A model and where it comes from.

    Attributes:
        model: in eval mode, on the device asked for.
        sha256: of its weights; of a method without weights, of its code and its settings.
        source: who wrote it.
    """

    model: ForeignModel
    sha256: str
    source: str


def opened(name: Name, device: torch.device | str) -> Opened:
    """Open a model.

    Raises:
        IsegmError: an unknown name or setting, a missing library, or weights that do not fit.
    """
    adapter, sha256, source = _WAYS[name.kind](name)
    return Opened(ForeignModel(adapter).to(device).eval(), sha256, source)


def _classical(name: Name) -> tuple[Adapter, str, str]:
    method = METHODS.make({METHODS.key: name.what, **name.settings})
    modules = (inspect.getmodule(type(method)), base)
    identity = "\n".join((*map(inspect.getsource, modules), *method.notes))
    return method, hashlib.sha256(identity.encode()).hexdigest(), "classical method"


def _plugin(name: Name) -> tuple[Adapter, str, str]:
    if name.settings:
        raise IsegmError(
            f"plugin:{name.what}: a plugin takes no settings, got {', '.join(name.settings)}; write"
            " them into the file"
        )
    path = Path(name.what).expanduser()
    plugin = Plugin.load(path)
    return plugin, hashlib.sha256(path.read_bytes()).hexdigest(), "plugin"


def _foreign(name: Name) -> tuple[Adapter, str, str]:
    loaded = hub.load(name.what, name.settings)
    return loaded.adapter, loaded.sha256, f"{loaded.family}, transformers"


_WAYS = {"foreign": _foreign, "classical": _classical, "plugin": _plugin}
