"""A recognized file of an original code base, and its configuration.

Every other module of this folder that has ``recognise`` is one original code base:

* ``recognise(shapes, config) -> Published | None``: identifies a file by the shapes of its tensors
  and the constructor arguments stored with them; None if another code base wrote it.
* ``publish(described) -> Published | None``: how the code base stores the model of a spec; None if
  it has no such model.
* ``STAND_INS`` (optional): full names of Python objects in its files, which are replaced by objects
  that do nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, resolve
from isegm.nn.clicks.disks import Disks
from isegm.nn.weights import KeyMap

Shapes = Mapping[str, tuple[int, ...]]  # every key of a state dict, and the shape of its tensor
Config = Mapping[str, Any]  # constructor arguments


@dataclass(frozen=True)
class Published:
    """How a checkpoint of an original code base is read and written.

    Attributes:
        spec: the model.
        keys: its parameter names.
        source: a name for messages, e.g. ``"RITM (published)"``.
        config: the configuration that the original code base stores with the weights, None if it
            stores none.
        unused: shapes of tensors that its files hold and no layer uses, by their original names.
            They are kept with a model that was read, and written again; zeros for other models.
    """

    spec: Spec
    keys: KeyMap
    source: str
    config: dict[str, Any] | None = None
    unused: Shapes = field(default_factory=dict)


def disk_radius(described: Spec) -> float | None:
    """The radius of the disks that the model of a spec draws for clicks; None for other maps.

    Args:
        described: a spec whose argument ``clicks`` defaults to disks.
    """
    clicks = described["args"].get("clicks")
    if clicks is None:
        return Disks().radius
    if resolve(clicks["target"]) is not Disks:
        return None
    return clicks["args"].get("radius", Disks().radius)


def stored(class_path: str, values: Config) -> dict[str, Any]:
    """The configuration that RITM and its descendants store: the model's class and arguments."""
    params = {
        name: {"type": "builtin", "value": value, "specified": True}
        for name, value in values.items()
    }
    return {"class": class_path, "params": params}


def arguments_in(config: Any) -> dict[str, Any]:
    """The constructor arguments in a stored configuration; its class path is ignored on purpose."""
    params = config.get("params") if isinstance(config, Mapping) else None
    if not isinstance(params, Mapping):
        return {}
    return {
        name: entry["value"]
        for name, entry in params.items()
        if isinstance(entry, Mapping) and "value" in entry
    }


def check_config(config: Config, inferred: Config, supported: Config | None = None) -> None:
    """Compare a stored configuration with known arguments; missing arguments agree.

    Args:
        inferred: arguments that follow from the tensors.
        supported: the only values of other arguments that this package can build.

    Raises:
        IsegmError: they disagree.
    """
    for known, source in (
        (supported or {}, "this package supports"),
        (inferred, "its tensors say"),
    ):
        for name, value in known.items():
            given = config.get(name, value)
            if (list(given) if isinstance(given, tuple) else given) != value:
                raise IsegmError(
                    f"the checkpoint's configuration says {name}={given!r}, but {source} {value!r};"
                    " the configuration belongs to another file, or was changed"
                )
