"""Parts found by listing a folder: one file is one part, and is chosen by the file's name.

A part is a class whose constructor arguments are its settings. A protocol file chooses one by name
and may change its settings. Nothing else lists the parts, so adding one takes only a new file.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isegm.core.errors import IsegmError, unknown

KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Family:
    """All parts of one kind.

    Attributes:
        kind: what errors call one of them, e.g. ``"view rule"``.
        package: the dotted name of the folder; each module in it but ``base`` is a part.
        constant: the module's name for its class, e.g. ``"RULE"``.
        key: the entry of a choice that names the part, e.g. ``"rule"``.
    """

    kind: str
    package: str
    constant: str
    key: str

    def names(self) -> list[str]:
        """Every part's name, in alphabetical order. Imports none of them."""
        folder = importlib.import_module(self.package)
        return sorted(m.name for m in pkgutil.iter_modules(folder.__path__) if m.name != "base")

    def part(self, name: str) -> type:
        """The class called ``name``.

        Raises:
            IsegmError: there is no such part (the nearest are listed), or its file does not name
                its class.
        """
        if name not in self.names():
            raise unknown(self.kind, name, self.names())
        module = importlib.import_module(f"{self.package}.{name}")
        part = vars(module).get(self.constant)
        if part is None:
            wanted = f"{self.constant} = <its class>"
            raise IsegmError(f"{module.__file__} is no {self.kind}: end it with {wanted}")
        return part

    def make(self, choice: Mapping[str, Any]) -> Any:
        """The part that a choice describes.

        Args:
            choice: the part's name under ``key``, and any of its settings; lists become tuples.

        Raises:
            IsegmError: a missing or unknown name, or settings that are unknown, missing, of another
                part, or refused by this one.
        """
        if not isinstance(choice, Mapping) or not isinstance(choice.get(self.key), str):
            example = f"{{{self.key}: {self.names()[0]}}}"
            raise IsegmError(f"{choice!r:.80} names no {self.kind}: expected e.g. {example}")
        name = choice[self.key]
        made, given = self.part(name), {k: v for k, v in choice.items() if k != self.key}
        known = _settings(made)
        for setting in given:
            if setting not in known:
                raise self._misplaced(name, setting, known)
        lacking = [k for k, p in known.items() if p.default is p.empty and k not in given]
        if lacking:
            raise IsegmError(f"{self.kind} {name} needs a value for {' and '.join(lacking)}")
        return made(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})

    def _misplaced(self, name: str, setting: str, known: Mapping[str, Any]) -> IsegmError:
        owners = [other for other in self.names() if setting in _settings(self.part(other))]
        error = unknown(f"setting of {self.kind} {name}", setting, known)
        return IsegmError(f"{error}; {setting} belongs to {', '.join(owners)}") if owners else error


def _settings(part: type) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(part).parameters
    return {name: p for name, p in parameters.items() if p.kind in KEYWORD}
