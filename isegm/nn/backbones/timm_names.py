"""timm's names for the parameters of mobile networks, and those used here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

BLOCK = re.compile(r"blocks\.(\d+)\.(\d+)\.(.+)\.(\w+)")
STEM = {"conv_stem": "conv1.conv", "bn1": "conv1.bn"}


def from_timm(
    tensors: Mapping[str, Tensor], blocks: Mapping[str, Mapping[str, str]]
) -> dict[str, Tensor]:
    """The tensors of a classification network under the names of a backbone here; a file not in
    timm's names stays as it is.

    Args:
        blocks: for every block of the backbone, first to last, its name here and what timm calls
            its parts: theirs to these.
    """
    found = {key: match for key in tensors if (match := BLOCK.fullmatch(key))}
    if not found:
        return dict(tensors)
    places = sorted({(int(match[1]), int(match[2])) for match in found.values()})
    own = dict(zip(places, blocks.items(), strict=False))
    renamed = {}
    for key, value in tensors.items():
        part, _, kind = key.rpartition(".")
        name = STEM.get(part, part)
        if match := found.get(key):
            block, parts = own.get((int(match[1]), int(match[2])), (part, {}))
            name = f"{block}.{parts.get(match[3], match[3])}"
        renamed[f"{name}.{kind}"] = value
    return renamed
