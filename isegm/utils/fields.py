"""Reading JSON of strangers: the value of a field, if it has the expected kind."""

from __future__ import annotations

import json
from typing import Any

from isegm.core.errors import IsegmError

KINDS = {
    str: "text",
    list: "a list",
    dict: "an object",
    bool: "true or false",
    float: "a number",
    type(None): "null",
}
REQUIRED = object()


def parsed(data: bytes | str) -> Any:
    """The value of a JSON document.

    Raises:
        IsegmError: it is none, or is nested too deeply.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise IsegmError(f"the request is no readable JSON: {reason}") from None


def field(data: Any, name: str, kind: type, default: Any = REQUIRED) -> Any:
    """The value of ``data[name]``.

    Args:
        kind: one of ``KINDS``; ``float`` accepts whole numbers, too.
        default: if there is no such field, or it is null.

    Raises:
        IsegmError: ``data`` is no object, or the field is missing or of another kind.
    """
    if not isinstance(data, dict):
        raise IsegmError(f"expected an object with the field {name}, got {_kind(data)}")
    value = data.get(name)
    if value is None and default is not REQUIRED:
        return default
    wanted = (int, float) if kind is float else kind
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        got = _kind(value) if name in data else "nothing"
        raise IsegmError(f"{name}: expected {KINDS[kind]}, got {got}")
    return value


def _kind(value: Any) -> str:
    return KINDS[float] if type(value) is int else KINDS.get(type(value), type(value).__name__)
