"""What the code bases with plain vision transformers (SimpleClick and its descendants) share."""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, resolve
from isegm.originals.published import Shapes, disk_radius

WINDOW = 224  # pixels of an attention window, in all of them


def check_agreement(
    given: Mapping[str, Any], known: Mapping[str, Any], ignored: Collection[str] = ()
) -> None:
    """Compare flat arguments in a file with known ones; missing arguments agree.

    Args:
        ignored: names of arguments that change no answer.

    Raises:
        IsegmError: they disagree.
    """
    for name, value in known.items():
        pair = (given.get(name, value), value)
        said, expected = (list(v) if isinstance(v, tuple) else v for v in pair)
        if said != expected and name not in ignored:
            raise IsegmError(
                f"the checkpoint's configuration says {name}={said!r}, but its tensors, or all that"
                f" this package supports, are {expected!r}"
            )


def flat(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Nested arguments, flattened to dotted names."""
    result: dict[str, Any] = {}
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            result |= {f"{name}.{inner}": v for inner, v in value.items()}
        else:
            result[name] = value
    return result


def side_of(positions: int) -> int:
    """The side, in patches, of a square crop with this many positions and one of a class token.

    Raises:
        IsegmError: the crop is no square.
    """
    side = math.isqrt(positions - 1)
    if side**2 != positions - 1:
        raise IsegmError(
            f"the checkpoint has {positions - 1} positions, which are no square; only square crops"
            " are supported"
        )
    return side


def heads_of(channels: int, bodies: Iterable[tuple[int, ...]]) -> int:
    """The attention heads of a backbone with this many channels.

    Args:
        bodies: channels, blocks, heads and more of known backbones.

    Raises:
        IsegmError: no known backbone has that many channels.
    """
    known = {body[0]: body[2] for body in bodies}
    if channels not in known:
        raise IsegmError(
            f"the checkpoint has {channels} channels, and no configuration says how many attention"
            f" heads; known without one: {', '.join(map(str, known))} channels"
        )
    return known[channels]


def body_of(
    shapes: Shapes,
    embedding: tuple[int, ...],
    values: Mapping[str, Any],
    bodies: Iterable[tuple[int, ...]],
) -> dict[str, Any]:
    """The backbone's arguments that all of these methods have.

    Args:
        embedding: the shape of a patch embedding's weight.
        values: the flat configuration, which may say how many attention heads there are.
        bodies: as for ``heads_of``.

    Raises:
        IsegmError: as ``side_of`` and ``heads_of``.
    """
    channels, _, patch = embedding[:3]
    return {
        "channels": channels,
        "depth": blocks_below(shapes, "backbone.blocks."),
        "heads": values.get("backbone_params.num_heads") or heads_of(channels, bodies),
        "patch": patch,
        "size": side_of(shapes["backbone.pos_embed"][1]) * patch,
        "window": WINDOW,
    }


def blocks_below(shapes: Shapes, prefix: str) -> int:
    """How many numbered blocks have keys under a prefix such as ``"backbone.blocks."``."""
    return len({key[len(prefix) :].split(".")[0] for key in shapes if key.startswith(prefix)})


def scales_of(shapes: Shapes) -> list[int]:
    """The channels of the maps that a pyramid head takes."""
    keys = (f"head.convs.{i}.conv.weight" for i in range(4))
    return [shapes[key][1] for key in keys if key in shapes]


def filled_in(described: Spec) -> dict[str, Any]:
    """The arguments of a spec, including defaults."""
    parameters = inspect.signature(resolve(described["target"])).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty} | described["args"]


def arguments_of(described: Spec, method: type, parts: Mapping[str, type]) -> dict[str, Any] | None:
    """The arguments of a spec and of its parts, including defaults.

    Args:
        parts: what the code base has for each part.

    Returns:
        None for what the code base cannot express: another method, other parts, other windows, or
        click maps that are no disks.
    """
    if resolve(described["target"]) is not method or disk_radius(described) is None:
        return None
    args = filled_in(described)
    if any(resolve(args[name]["target"]) is not kind for name, kind in parts.items()):
        return None
    args |= {name: filled_in(args[name]) for name in parts}
    body = args["backbone"]
    fits = body["window"] // body["patch"] == WINDOW // body["patch"]
    return args if fits else None


def backbone_params(body: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the original vision transformer for those of a spec of ours."""
    return {
        "img_size": (body["size"], body["size"]),
        "patch_size": (body["patch"], body["patch"]),
        "in_chans": 3,
        "embed_dim": body["channels"],
        "depth": body["depth"],
        "num_heads": body["heads"],
        "mlp_ratio": 4,
        "qkv_bias": True,
    }
