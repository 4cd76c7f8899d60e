"""Names of models that are not checkpoints of ours: ``KIND:WHAT[,KEY=VALUE...]``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from isegm.core.errors import IsegmError
from isegm.methods.checkpoints import OTHERS


@dataclass(frozen=True)
class Name:
    """E.g. ``"classical:graph_cut,radius=3"``.

    Attributes:
        kind: one of ``OTHERS``.
        what: a name of that kind, or a path.
        settings: by name.
    """

    kind: str
    what: str
    settings: dict[str, Any]

    @property
    def short(self) -> str:
        """For titles and names of files, e.g. ``"classical_graph_cut"``."""
        return (
            f"{self.kind}_{Path(self.what).stem if self.kind == 'plugin' else Path(self.what).name}"
        )


def parsed(name: str | Path) -> Name | None:
    """The parts of a name; None if it is not of this form, so that it names a checkpoint.

    Raises:
        IsegmError: it names nothing, or a setting cannot be read.
    """
    kind, colon, rest = str(name).partition(":")
    if not colon or kind not in OTHERS:
        return None
    what, *settings = (part.strip() for part in rest.split(","))
    if not what:
        raise IsegmError(f"{name!r} names no model; expected e.g. {_EXAMPLES[kind]}")
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not (key and equals and value) or key in values:
            raise IsegmError(
                f"{name}: {setting!r} is no setting; expected key=value once for each key, e.g."
                f" {_EXAMPLES[kind]}"
            )
        try:
            values[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise IsegmError(f"{name}: {value!r} is no value of {key}") from None
    return Name(kind, what, values)


_EXAMPLES = {
    "foreign": "foreign:sam-base,policy=single",
    "classical": "classical:graph_cut,radius=3",
    "plugin": "plugin:my_model.py",
}
