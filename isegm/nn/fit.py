"""A check that the parts of a network fit together."""

from __future__ import annotations

from typing import Any

from isegm.core.errors import IsegmError


def check_fit(*channels: tuple[str, Any, Any]) -> None:
    """Compare the channels that parts were made for with those they get.

    Args:
        channels: the dotted name of an argument, e.g. ``"head.in_channels"``, the value it has, and
            the one it must have.

    Raises:
        IsegmError: the two differ.
    """
    for name, given, needed in channels:
        if given != needed:
            raise IsegmError(
                f"{name} is {given}, but what it is connected with has {needed} channels; set"
                f" {name}={needed}"
            )
