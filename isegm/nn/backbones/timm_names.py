"""The parameter names of mobile networks in timm, translated to those used here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

BLOCK = re.compile(r"blocks\.(\d+)\.(\d+)\.(.+)\.(\w+)")
STEM = {"conv_stem": "conv1.conv", "bn1": "conv1.bn"}


def from_timm(
    tensors: Mapping[str, Tensor], blocks: Mapping[str, Mapping[str, str]]
) -> dict[str, Tensor]:
    """The tensors of a classification network under the names of a backbone here; tensors without
    timm's names are returned unchanged.

    Args:
        blocks: the name of every block of the backbone here, first to last, with its parts: timm's
            names to those used here.
    """
    matches = {key: match for key in tensors if (match := BLOCK.fullmatch(key))}
    if not matches:
        return dict(tensors)
    places = sorted({(int(match[1]), int(match[2])) for match in matches.values()})
    own = dict(zip(places, blocks.items(), strict=False))
    renamed = {}
    for key, value in tensors.items():
        part, _, kind = key.rpartition(".")
        name = STEM.get(part, part)
        if match := matches.get(key):
            block, parts = own.get((int(match[1]), int(match[2])), (part, {}))
            name = f"{block}.{parts.get(match[3], match[3])}"
        renamed[f"{name}.{kind}"] = value
    return renamed
