"""``--set section.part.key=value``: change one value of an experiment from the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import yaml

from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import NO_DEFAULT, Spec, is_spec, parameters, plain

Overrides = dict[str, Any]  # dotted path, the section first, to value
ABSENT = "absent"
WORDS = ("on", "off", "yes", "no", "y", "n")  # truth values in YAML 1.1, words here


def parse_overrides(assignments: Sequence[str]) -> Overrides:
    """``["train.clip=1", "model.backbone.width=32"]`` to ``{"train.clip": 1,
    "model.backbone.width": 32}``.

    Raises:
        IsegmError: no ``=``, or nothing before it.
    """
    parsed: Overrides = {}
    for text in assignments:
        path, equals, value = text.partition("=")
        if not (equals and path.strip()):
            raise IsegmError(
                f"--set {text!r}: expected section.key=value, e.g. train.clip=1 or"
                " data.augment.crop=[320,480]"
            )
        parsed[path.strip()] = _value(value)
    return parsed


def changed(
    node: Any, path: str, value: Any, own: ModuleType | None = None, where: str = ""
) -> Any:
    """A copy of a frozen dataclass, a spec or a list with the value at a dotted path replaced.

    The path may name arguments that a spec leaves to their defaults. Entries of a list are
    addressed by number.

    Args:
        own: the experiment's own file, see ``registry.build``.
        where: the path so far, for messages.

    Raises:
        IsegmError: the path leads nowhere, or the value has another type than the one it replaces.
    """
    name, dot, rest = path.partition(".")
    here = f"{where}.{name}" if where else name
    old, optional = _entry(node, name, where, own)
    new = changed(old, rest, value, own, here) if dot else _checked(here, old, value, optional)
    if isinstance(node, list):
        return [new if index == int(name) else item for index, item in enumerate(node)]
    if is_spec(node):
        return {"target": node["target"], "args": {**node["args"], name: new}}
    return dataclasses.replace(node, **{name: new})


def paths(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value inside a JSON value with its dotted path; the value at a spec's own path is
    the name of its target.
    """
    if is_spec(node):
        yield prefix, node["target"]
        node = node["args"]
    elif isinstance(node, list) and any(isinstance(item, (Mapping, list)) for item in node):
        node = {str(index): item for index, item in enumerate(node)}
    elif not isinstance(node, Mapping):
        yield prefix, node
        return
    for name, item in node.items():
        yield from paths(item, f"{prefix}.{name}" if prefix else name)


def differences(before: Any, now: Any) -> list[tuple[str, Any, Any]]:
    """(path, value before, value now) wherever two JSON values differ."""
    old, new = dict(paths(before)), dict(paths(now))
    changes = []
    for path in dict.fromkeys([*old, *new]):
        a, b = old.get(path, ABSENT), new.get(path, ABSENT)
        if a != b or isinstance(a, bool) != isinstance(b, bool):  # True == 1
            changes.append((path, a, b))
    return changes


def _entry(node: Any, name: str, where: str, own: ModuleType | None) -> tuple[Any, bool]:
    """The value under a name in a node (a spec's default if it has none), and whether it may be
    None.
    """
    if dataclasses.is_dataclass(node):
        fields = {field.name: field for field in dataclasses.fields(node)}
        if name not in fields:
            raise _nowhere(node, name, where, fields)
        return getattr(node, name), "None" in str(fields[name].type)
    if is_spec(node):
        known = parameters(node, own)
        if name not in {*known, *node["args"]}:
            raise _nowhere(node, name, where, {*known, *node["args"]})
        if name not in known:
            return node["args"][name], True
        default = None if known[name].default is NO_DEFAULT else known[name].default
        optional = known[name].default is None or "None" in str(known[name].annotation)
        return node["args"].get(name, plain(name, default)), optional
    if isinstance(node, list):
        if not (name.isdigit() and int(name) < len(node)):
            raise IsegmError(f"--set {where}.{name}: {where} has the entries 0 to {len(node) - 1}")
        return node[int(name)], True
    raise IsegmError(f"--set {where}.{name}: {where} is {node!r:.60}, there is nothing inside it")


def _nowhere(node: Any, name: str, where: str, known: Any) -> IsegmError:
    """The error for an unknown name; suggests places further inside that have this name."""
    value = {key: getattr(node, key) for key in known} if dataclasses.is_dataclass(node) else node
    inside = [path for path, _ in paths(value) if path.endswith(f".{name}")]
    part = f" ({node['target']})" if is_spec(node) else ""
    if inside and where:
        meant = " or ".join(f"{where}.{path}" for path in inside)
        return IsegmError(f"unknown setting {where}.{name}{part}; did you mean {meant}?")
    return unknown(f"setting of {where}{part}" if where else "section", name, known)


def _checked(path: str, old: Any, value: Any, optional: bool) -> Any:
    """The value that replaces an old one; raises if it has another type."""
    value = plain(path, value)
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if (value is None and optional) or old is None or is_spec(value):
        return value
    if is_spec(old) or value is None or _kind(old) is not _kind(value):
        wanted = "a part, {target: ..., args: {...}}" if is_spec(old) else _kind(old).__name__
        raise IsegmError(f"--set {path}={value!r}: expected {wanted}, as in {path}={_shown(old)}")
    return value


def _kind(value: Any) -> type:
    return list if isinstance(value, (list, tuple)) else type(value)


def _shown(value: Spec | Any) -> str:
    return value["target"] if is_spec(value) else repr(value)


def _value(text: str) -> Any:
    if text.strip().lower() in WORDS:
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
