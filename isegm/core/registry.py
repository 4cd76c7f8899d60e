"""Specs: a call described instead of made.

``spec(RITM, backbone=spec(HRNet, width=18))`` is a plain dictionary. It is stored as JSON inside
checkpoints and experiments, and ``build`` makes the call. Only targets inside ``isegm`` are ever
imported: an untrusted checkpoint cannot name anything else. A training may also name what its own
experiment file defines; whoever builds such a spec passes the file as ``own``.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from isegm.core.errors import IsegmError, unknown

Spec = dict[str, Any]
OWN = "experiment"  # the name that an experiment's own file has as a module
NO_DEFAULT = inspect.Parameter.empty


def spec(target: Callable | str, **args: Any) -> Spec:
    """Describe the call ``target(**args)``.

    Args:
        target: a class or function inside ``isegm`` or in the experiment file that makes the spec,
            or the name of one inside ``isegm`` as ``"package.module:Name"``.
        args: keyword arguments; nested specs, numbers, strings, booleans, None, lists, tuples and
            dicts of these.

    Returns:
        ``{"target": "package.module:Name", "args": {...}}`` with tuples turned into lists, as JSON
            would.

    Raises:
        IsegmError: the target lies elsewhere, an argument is unknown to it or cannot be written as
            JSON.
    """
    known = target
    if not isinstance(target, str):
        target = f"{target.__module__}:{target.__qualname__}"
    if not target.startswith(f"{OWN}:"):
        known = resolve(target)
    made = {"target": target, "args": {name: plain(name, value) for name, value in args.items()}}
    _check_arguments(known, made)
    return made


def is_spec(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"target", "args"}


def resolve(target: str, own: ModuleType | None = None) -> Callable:
    """The class or function that ``"package.module:Name"`` names: inside isegm, or in the
    experiment's own file.

    Raises:
        IsegmError: it lies elsewhere or does not exist, or it is the experiment's own and ``own``
            is not given.
    """
    module_name, _, name = target.partition(":")
    if module_name == OWN and name and "." not in name:
        if own is None:
            raise IsegmError(
                f"spec target {target!r} is defined in an experiment's own file, which only a"
                " training of that experiment reads; to load the network elsewhere, move its class"
                " into isegm/methods"
            )
        module = own
    elif module_name.split(".")[0] != "isegm" or not name or "." in name:
        raise IsegmError(
            f"spec target {target!r} is refused: only 'isegm.<module>:<Name>' is ever imported"
        )
    elif module_name.split(".")[1:2] == ["reference"]:
        raise IsegmError(
            f"spec target {target!r} is refused: it is a slow yardstick, for tests and benchmarks"
            " alone"
        )
    else:
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise IsegmError(
                f"spec target {target!r}: there is no module {error.name}; is isegm older than this"
                " file?"
            ) from None
    part = getattr(module, name, None)
    # Names that a module merely imported (os, torch ...) do not count.
    if not callable(part) or getattr(part, "__module__", None) != module_name:
        names = [
            n
            for n, v in vars(module).items()
            if callable(v) and getattr(v, "__module__", None) == module_name
        ]
        raise unknown(f"target in {module_name}", name, names)
    return part


def build(described: Spec, own: ModuleType | None = None, **offered: Any) -> Any:
    """Make the call that a spec describes, innermost specs first.

    Args:
        own: the experiment's own file, if its specs may name what is defined there.
        offered: values that no spec holds, e.g. ``cfg``; every target that has a parameter of that
            name gets it.

    Raises:
        IsegmError: not a spec, an unknown target, an unknown or a missing argument.
    """
    if not is_spec(described):
        raise IsegmError(
            f"expected a spec with the keys 'target' and 'args', got {described!r:.200}"
        )
    target = resolve(described["target"], own)
    _check_arguments(target, described)
    args = {name: _built(value, own, offered) for name, value in described["args"].items()}
    known = parameters(described, own)
    args |= {name: value for name, value in offered.items() if name in known and name not in args}
    required = [name for name, parameter in known.items() if parameter.default is NO_DEFAULT]
    if missing := [name for name in required if name not in args]:
        raise IsegmError(f"{described['target']} needs a value for {', '.join(missing)}")
    return target(**args)


def parameters(described: Spec, own: ModuleType | None = None) -> dict[str, inspect.Parameter]:
    """All that can be given to the target of a spec, by name."""
    known = inspect.signature(resolve(described["target"], own)).parameters
    return {
        name: p for name, p in known.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }


def completed(value: Any, own: ModuleType | None = None) -> Any:
    """A spec, or a part of one, with every default written out."""
    if isinstance(value, list):
        return [completed(item, own) for item in value]
    if not is_spec(value):
        if isinstance(value, Mapping):
            return {key: completed(item, own) for key, item in value.items()}
        return value
    _check_arguments(resolve(value["target"], own), value)
    given = {name: completed(item, own) for name, item in value["args"].items()}
    args = {}
    for name, parameter in parameters(value, own).items():
        if name in given:
            args[name] = given.pop(name)
        elif parameter.default is not NO_DEFAULT:
            args[name] = plain(name, parameter.default)
    return {"target": value["target"], "args": args | given}


def targets(value: Any) -> Iterator[str]:
    """The target of a spec and of every spec inside it."""
    if is_spec(value):
        yield value["target"]
        value = value["args"]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from targets(item)


def leaves(described: Spec, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain argument of a spec with its dotted path, e.g. ``("backbone.width", 18)``."""
    for name, value in described["args"].items():
        if is_spec(value):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def plain(name: str, value: Any) -> Any:
    """A value as JSON would have it.

    Raises:
        IsegmError: naming ``name``, if JSON cannot hold it.
    """
    if is_spec(value):
        return dict(value)
    if isinstance(value, Mapping):
        return {str(k): plain(f"{name}.{k}", v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(name, item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise IsegmError(
        f"argument {name}={value!r:.80} cannot be kept in a spec: use numbers, strings, lists or a"
        " nested spec"
    )


def _built(value: Any, own: ModuleType | None, offered: Mapping[str, Any]) -> Any:
    if is_spec(value):
        return build(value, own, **offered)
    if isinstance(value, list):
        return [_built(item, own, offered) for item in value]
    return value


def _check_arguments(target: Callable, described: Spec) -> None:
    known = inspect.signature(target).parameters
    if any(p.kind is p.VAR_KEYWORD for p in known.values()):
        return
    for name in described["args"]:
        if name not in known:
            raise unknown(f"argument of {described['target']}", name, known)
