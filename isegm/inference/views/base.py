"""View rules: which part of the image the network is shown for a click, and at what size.

One file in this folder is one rule. It is chosen by its name in a protocol file, with its own
settings: ``view: {rule: zoom_in, size: 400}``. See docs/how-to/add_a_view_rule.md.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isegm.core.boxes import Box
from isegm.core.click import Click
from isegm.core.errors import IsegmError
from isegm.core.parts import Family
from isegm.inference.controls import Control

if TYPE_CHECKING:  # rules also serve exported networks, without torch
    from isegm.core.rounds import Session

RULES = Family("view rule", "isegm.inference.views", "RULE", "rule")
MAX_SIZE = 800  # pixels of the longer side of images that people click on, as in published demos


@dataclass(frozen=True)
class View:
    """What the network is shown for one click.

    Attributes:
        source: the part of the image it sees.
        size: (rows, columns) that part is resized to.
        target: the part of the image its answer is laid on. The same as ``source`` except for one
            published flaw, see ``ZoomIn``.
        held: the crop to hold on to for the next click, None while there is none.
        aligned: image and answer are resampled with aligned corners; otherwise by the centers of
            pixels.
        logits: the answer is resized to the image as logits; otherwise as probabilities.
        keeps: what lies outside ``target`` keeps its probability; otherwise it becomes 0.
        as_bytes: the image is resized in whole gray levels, see ``boxes.resize_bytes``.
    """

    source: Box
    size: tuple[int, int]
    target: Box
    held: Box | None
    aligned: bool = True
    logits: bool = False
    keeps: bool = False
    as_bytes: bool = False


class ViewRule(typing.Protocol):
    """A rule, as a frozen dataclass: its fields are its settings. Only ``view`` must be written.

    It keeps nothing between clicks. What the next view depends on is in the session: the last
    answer, the clicks, and the crop that the last view held (``session.box``).

    Attributes:
        inner_clicks: the network does not see clicks on the first row and column of a view.
        first_passes: how often the first click is answered, each time with the answer before as
            previous mask.
        follow: the map of the method (``ClickModel.shown_maps``) that ``session.followed`` holds
            after an answer, for the next view to be chosen by; None: no map.
        noted_as: what the label of a protocol calls changed settings, e.g. ``"view.size=96"``.
    """

    inner_clicks: bool = False
    first_passes: int = 1
    follow: str | None = None
    noted_as: typing.ClassVar[str] = "view"

    def view(self, session: Session, clicks: Sequence[Click]) -> View:
        """The view for answering ``clicks``; the last of them is new to ``session``."""
        ...

    def looks_again(self, session: Session) -> bool:
        """Whether a click that was just answered is to be answered once more, in a new view."""
        return False

    def at_size(self, rows: int, columns: int) -> dict[str, Any]:
        """The settings under which every view has exactly this size (``--eval-mode fixedN``).

        Raises:
            IsegmError: the rule has no such settings; so for the methods below.
        """
        raise self._without("a fixed size")

    def resized(self, side: int) -> dict[str, Any]:
        """The settings under which views are shown at this many pixels (``--infer-size``)."""
        raise self._without("a size")

    def widened(self, ratio: float) -> dict[str, Any]:
        """The settings for crops of this size over their object's (``--target-crop-r``)."""
        raise self._without("a crop around the object")

    def controls(self) -> list[Control]:
        """What people may change of it, with the present values as defaults."""
        return []

    def adjusted(self, settings: Mapping[str, Any]) -> ViewRule:
        """The rule with the values of its controls, out of the settings of all controls."""
        return self

    def _without(self, what: str) -> IsegmError:
        name = type(self).__name__
        return IsegmError(f"view rule {name} has no setting for {what}; use another protocol")


def check_size(rule: str, size: Any) -> None:
    """Raise unless a size is a whole number of pixels or (rows, columns) of such."""
    sides = size if isinstance(size, tuple) and len(size) == 2 else (size,)
    if not all(type(side) is int and side > 0 for side in sides):
        expected = "pixels, e.g. 400, or rows and columns"
        raise IsegmError(f"view rule {rule}: size is {size!r:.60}; expected {expected}")


def limited(box: Box, max_size: int | None) -> tuple[int, int]:
    """The size of a box, scaled down if its longer side exceeds ``max_size``."""
    longer = max(box.height, box.width)
    if max_size is None or longer <= max_size:
        return box.height, box.width
    scale = max_size / longer
    return max(1, round(box.height * scale)), max(1, round(box.width * scale))


def limit_control(max_size: int | None) -> Control:
    """The control ``max_size`` of rules that may show whole images."""
    # As for other views, the largest is what the memory of a server that others use, too, can hold.
    hint = "Of whole images, in pixels"
    default = max_size or MAX_SIZE
    label = "Limit longest side"
    return Control("max_size", label, "whole", default, 50, 2048, 50, group="View", hint=hint)
