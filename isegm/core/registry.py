"""Specs: a call described instead of made.

``spec(RITM, backbone=spec(HRNet, width=18))`` is a plain dictionary. It is stored as JSON inside
checkpoints, so that a checkpoint rebuilds its own network, and ``build`` makes the call. Only
targets inside ``isegm`` are ever imported: a checkpoint from a stranger cannot name anything else.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from isegm.core.errors import IsegmError, unknown

Spec = dict[str, Any]


def spec(target: Callable | str, **args: Any) -> Spec:
    """Describe the call ``target(**args)``.

    Args:
        target: a class or function inside ``isegm``, or its name as ``"package.module:Name"``.
        args: keyword arguments; nested specs, numbers, strings, booleans, None, lists, tuples and
            dicts of these.

    Returns:
        ``{"target": "package.module:Name", "args": {...}}`` with tuples turned into lists, as JSON
        would.

    Raises:
        IsegmError: the target lies outside isegm, an argument is unknown to it or cannot be written
            as JSON.
    """
    if not isinstance(target, str):
        target = f"{target.__module__}:{target.__qualname__}"
    made = {"target": target, "args": {name: _plain(name, value) for name, value in args.items()}}
    _check_arguments(resolve(target), made)
    return made


def is_spec(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"target", "args"}


def resolve(target: str) -> Callable:
    """Import the class or function that ``"package.module:Name"`` names; only inside isegm."""
    module_name, _, name = target.partition(":")
    if module_name.split(".")[0] != "isegm" or not name or "." in name:
        raise IsegmError(f"spec target {target!r} is refused: only 'isegm.<module>:<Name>' is ever imported")
    if module_name.split(".")[1:2] == ["reference"]:
        raise IsegmError(f"spec target {target!r} is refused: it is a slow yardstick, for tests and benchmarks alone")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise IsegmError(f"spec target {target!r}: there is no module {error.name}; is isegm older than this file?") from None
    found = getattr(module, name, None)
    # A name that a module merely imported (os, torch ...) is not one of ours.
    if not callable(found) or getattr(found, "__module__", None) != module_name:
        own = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", None) == module_name]
        raise unknown(f"target in {module_name}", name, own)
    return found


def build(described: Spec) -> Any:
    """Make the call that a spec describes, innermost specs first."""
    if not is_spec(described):
        raise IsegmError(f"expected a spec with the keys 'target' and 'args', got {described!r:.200}")
    target = resolve(described["target"])
    _check_arguments(target, described)
    return target(**{name: _built(value) for name, value in described["args"].items()})


def arguments(described: Spec) -> set[str]:
    """The names of all that can be given to the target of a spec, and of what is."""
    parameters = inspect.signature(resolve(described["target"])).parameters.values()
    return {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} | set(described["args"])


def leaves(described: Spec, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain argument of a spec with its dotted path, e.g. ``("backbone.width", 18)``."""
    for name, value in described["args"].items():
        if is_spec(value):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _built(value: Any) -> Any:
    if is_spec(value):
        return build(value)
    if isinstance(value, list):
        return [_built(item) for item in value]
    return value


def _plain(name: str, value: Any) -> Any:
    if is_spec(value):
        return dict(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(f"{name}.{k}", v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(name, item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise IsegmError(f"argument {name}={value!r:.80} cannot be kept in a spec: use numbers, strings, lists or a nested spec")


def _check_arguments(target: Callable, described: Spec) -> None:
    parameters = inspect.signature(target).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for name in described["args"]:
        if name not in parameters:
            raise unknown(f"argument of {described['target']}", name, parameters)
