"""``--set section.key=value``: change one value of an experiment script from the command line."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import yaml

from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, arguments, is_spec, leaves

SECTIONS = ("model", "data", "clicks", "train")
T = TypeVar("T")
Overrides = dict[str, dict[str, Any]]


def parse_overrides(assignments: Sequence[str]) -> Overrides:
    """``["train.lr=1e-4", "model.backbone.width=32"]`` to ``{"train": {"lr": 1e-4}, "model": {"backbone.width": 32}}``.

    Raises:
        IsegmError: no ``=``, no section, or an unknown section.
    """
    parsed: Overrides = {}
    for text in assignments:
        path, equals, value = text.partition("=")
        section, dot, key = path.strip().partition(".")
        if not (equals and dot and key):
            raise IsegmError(f"--set {text!r}: expected section.key=value with a section out of {', '.join(SECTIONS)}")
        if section not in SECTIONS:
            raise unknown("section in --set", section, SECTIONS)
        parsed.setdefault(section, {})[key] = _value(value)
    return parsed


def override_config(config: T, changes: dict[str, Any], section: str) -> T:
    """A copy of a frozen dataclass with some fields changed; an unknown field names the nearest ones.

    A number given for a field that holds a tuple or a flag, or the other way round, is an error rather than a surprise later.
    """
    known = {f.name for f in dataclasses.fields(config)}
    for key, value in changes.items():
        if key not in known:
            raise unknown(f"key in section {section}", key, known)
        old = getattr(config, key)
        if isinstance(old, tuple) and isinstance(value, list):
            value = tuple(value)
        elif isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        elif old is not None and value is not None and type(old) is not type(value):
            raise IsegmError(f"--set {section}.{key}={value!r}: expected {type(old).__name__}, as in {key}={old!r}")
        config = dataclasses.replace(config, **{key: value})
    return config


def override_spec(described: Spec, changes: dict[str, Any]) -> Spec:
    """A copy of a model spec with some arguments changed, addressed by dotted path (``backbone.width``).

    Arguments that the spec leaves to their defaults can be given, too.

    Raises:
        IsegmError: a path that names no argument of the part it leads to.
    """
    changed = copy.deepcopy(described)
    for path, value in changes.items():
        *parents, name = path.split(".")
        inner = changed
        for parent in parents:
            inner = inner["args"].get(parent)
            if not is_spec(inner):
                raise unknown("key in section model", path, [p for p, _ in leaves(described)])
        if name not in (taken := arguments(inner)):
            prefix = ".".join([*parents, ""])
            raise unknown("key in section model", path, {p for p, _ in leaves(described)} | {prefix + n for n in taken})
        inner["args"][name] = value
    return changed


def _value(text: str) -> Any:
    if text.strip().lower() in ("on", "off", "yes", "no", "y", "n"):  # words here, truth values in YAML 1.1
        return text.strip()
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if isinstance(value, str):  # YAML 1.1 reads 1e-4 as a string
        try:
            return float(value)
        except ValueError:
            return value
    return value
