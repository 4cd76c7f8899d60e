"""One click, without torch: what runs an exported network needs no more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Click:
    """One click: row and column in image pixels (the centre of a pixel is an integer), and whether
    it marks the object.
    """

    y: float
    x: float
    positive: bool
