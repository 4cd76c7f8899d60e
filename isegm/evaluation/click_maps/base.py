"""Click maps: how likely a person is to click where.

One file in this folder is one kind of map, for the simulated user ``drawn``: ``user: {name: drawn,
map: distance}``. A map may come from a network: RClicks (arXiv 2410.11722) learns one from real
clicks. See docs/reference/users.md.
"""

from __future__ import annotations

import typing

import numpy as np

from isegm.core.parts import Family

MAPS = Family("click map", "isegm.evaluation.click_maps", "MAP", "name")


class ClickMap(typing.Protocol):
    """A map, as a frozen dataclass: its fields are its settings.

    It keeps nothing between calls and may be called from several threads. A network is loaded once,
    when the map is made.
    """

    def __call__(self, image: np.ndarray, gt: np.ndarray, error: np.ndarray) -> np.ndarray:
        """The weights of a click.

        Args:
            image: ``H W 3`` uint8, RGB.
            gt: ``H W`` int8, 1 = object, 0 = background, -1 = ignored.
            error: ``H W`` bool, the pixels that are wrong and can be clicked; all of one kind, and
                there is at least one.

        Returns:
            ``H W`` float, at least 0 and finite; only ratios matter, and those outside ``error``
            are not looked at.
        """
        ...
