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
    """A copy of a frozen dataclass, a spec or a list with what a dotted path leads to replaced by
    ``value``.

    Arguments that a spec leaves to their defaults can be given, too. Entries of a list are
    addressed by number.

    Args:
        own: the experiment's own file, see ``registry.build``.
        where: the path so far, for messages.

    Raises:
        IsegmError: the path leads nowhere, or the value is of another type than the one it
            replaces.
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
    """Every plain value inside a JSON value with its dotted path; a spec's path itself leads to the
    name of its target.
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
    pairs = [
        (path, old.get(path, ABSENT), new.get(path, ABSENT)) for path in dict.fromkeys([*old, *new])
    ]
    return [
        (path, a, b) for path, a, b in pairs if a != b or isinstance(a, bool) != isinstance(b, bool)
    ]


def _entry(node: Any, name: str, where: str, own: ModuleType | None) -> tuple[Any, bool]:
    """What a name leads to inside a node (a spec's default if it does not say), and whether that
    may be None.
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
        parameter = known.get(name)
        default = (
            None if parameter is None or parameter.default is NO_DEFAULT else parameter.default
        )
        optional = (
            parameter is None or parameter.default is None or "None" in str(parameter.annotation)
        )
        return node["args"].get(name, plain(name, default)), optional
    if isinstance(node, list):
        if not (name.isdigit() and int(name) < len(node)):
            raise IsegmError(f"--set {where}.{name}: {where} has the entries 0 to {len(node) - 1}")
        return node[int(name)], True
    raise IsegmError(f"--set {where}.{name}: {where} is {node!r:.60}, there is nothing inside it")


def _nowhere(node: Any, name: str, where: str, known: Any) -> IsegmError:
    """For a name that is not there; if it is further inside, that is what was meant."""
    value = {key: getattr(node, key) for key in known} if dataclasses.is_dataclass(node) else node
    inside = [path for path, _ in paths(value) if path.endswith(f".{name}")]
    part = f" ({node['target']})" if is_spec(node) else ""
    if inside and where:
        return IsegmError(
            f"unknown setting {where}.{name}{part}; did you mean"
            f" {' or '.join(f'{where}.{p}' for p in inside)}?"
        )
    return unknown(f"setting of {where}{part}" if where else "section", name, known)


def _checked(path: str, old: Any, value: Any, optional: bool) -> Any:
    """The value to put in place of an old one.

    A number given for a list or a flag, or the other way round, is an error rather than a surprise
    later.
    """
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
    if text.strip().lower() in (
        "on",
        "off",
        "yes",
        "no",
        "y",
        "n",
    ):  # words here, truth values in YAML 1.1
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
