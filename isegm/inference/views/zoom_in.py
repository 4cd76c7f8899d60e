"""Zoom-in: the whole image at first, then a crop around the object.

The rules are those of arXiv 2102.06583 (and 2001.10331 before it), to the pixel: published NoC
numbers depend on every rounding here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from isegm.core import boxes
from isegm.core.boxes import Box
from isegm.core.click import Click
from isegm.inference.controls import Control
from isegm.inference.views.base import View, ViewRule, check_size, limit_control, limited

if TYPE_CHECKING:
    from isegm.core.rounds import Session

NEVER = 1000  # clicks without a crop: more than anybody makes


@dataclass(frozen=True)
class ZoomIn(ViewRule):
    """Crop to the object once there is an answer, and hold the crop until the object leaves it.

    Attributes:
        size: the longer side of a crop after resizing, or (rows, columns) to resize to exactly.
        skip_clicks: clicks that see the whole image at its own size; -1 crops (and resizes) from
            the first click on.
        expansion: how much larger than the object's bounding box the crop is.
        min_crop: the least height and width of a crop, in image pixels.
        threshold: probability above which a pixel belongs to the object here. Published evaluations
            take 0.5 even where their masks are made at 0.49.
        stale_iou: a new crop replaces the held one when their ``boxes.interval_iou`` is below this;
            above 1, always.
        max_size: limit on the longer side of whole-image views; None for no limit, as in every
            published evaluation.
        resize_whole: whole-image views are brought to ``size`` as crops are.
        inner_clicks, first_passes, follow: see ``ViewRule``; with ``follow`` crops are chosen by
            that map instead of the answer.
        all_clicks: a crop holds all clicks, not only the positive ones.
        keeps: outside a crop the last answer stays; otherwise it becomes 0.

    A flaw of the published code is kept because it moves numbers: when the answer becomes empty the
    network sees the whole image again, yet its answer is still squeezed into the crop held before.
    """

    size: int | tuple[int, int] = 400
    skip_clicks: int = 1
    expansion: float = 1.4
    min_crop: int = 200
    threshold: float = 0.5
    stale_iou: float = 0.5
    max_size: int | None = None
    resize_whole: bool = False
    inner_clicks: bool = False
    first_passes: int = 1
    follow: str | None = None
    all_clicks: bool = False
    keeps: bool = False
    noted_as: ClassVar[str] = "zoom"

    def __post_init__(self) -> None:
        check_size("zoom_in", self.size)

    def view(self, session: Session, clicks: Sequence[Click]) -> View:
        image = boxes.whole(*session.image.shape[-2:])
        size = self._scaled(image) if self.resize_whole else limited(image, self.max_size)
        target = session.box or image
        unchanged = View(image, size, target, session.box, keeps=self.keeps)
        if len(clicks) <= self.skip_clicks:
            return unchanged
        wanted = self._wanted(session, clicks)
        if wanted is None:
            if self.skip_clicks >= 0:
                return unchanged
            wanted = image
        held = session.box
        if held is None or self._outlived(held, wanted, clicks):
            held = wanted
        return View(held, self._scaled(held), held, held, keeps=self.keeps)

    def looks_again(self, session: Session) -> bool:
        """Whether a first answer, given without a crop, calls for a second one with a crop.

        Only possible with ``skip_clicks=0``: the first click is then answered on the whole image
        and again on the crop.
        """
        if session.box is not None or self.skip_clicks > 0:
            return False
        around = self._object(session)
        if around is None:
            return False
        height, width = session.image.shape[-2:]
        crop = boxes.clamp(boxes.expand(around, self.expansion, self.min_crop), height, width)
        return boxes.interval_iou(crop, boxes.whole(height, width)) < 0.5

    def at_size(self, rows: int, columns: int) -> dict[str, Any]:
        """From the first click on."""
        return {"skip_clicks": -1, "size": [rows, columns]}

    def resized(self, side: int) -> dict[str, Any]:
        """Squares of this side."""
        return {"size": [side, side]}

    def widened(self, ratio: float) -> dict[str, Any]:
        return {"expansion": ratio}

    def controls(self) -> list[Control]:
        fixed, cropping = not isinstance(self.size, int), self.skip_clicks < NEVER
        side, skip = self.size[0] if fixed else self.size, self.skip_clicks if cropping else 1
        made = [
            Control("zoom_in", "Zoom in", "toggle", cropping, hint="Crop to the object"),
            Control("skip_clicks", "Skip clicks", "whole", skip, -1, 20,
                    hint="Clicks before the first crop; -1: crop from the start"),
            Control("size", "Target size", "whole", side, 32, 2048, 16,
                    hint="Longer side of a crop, in pixels"),
            Control("expansion", "Expand ratio", "number", self.expansion, 1, 4, 0.1,
                    hint="Crop around the object"),
            Control("fixed_crop", "Fixed crop", "toggle", fixed, hint="Every crop as a square"),
        ]  # fmt: skip
        made = [replace(control, group="View") for control in made]
        return made if self.resize_whole else [*made, limit_control(self.max_size)]

    def adjusted(self, settings: Mapping[str, Any]) -> ZoomIn:
        size, defaults = self.size, {control.name: control.default for control in self.controls()}
        if any(settings[name] != defaults[name] for name in ("size", "fixed_crop")):
            size = (settings["size"],) * 2 if settings["fixed_crop"] else settings["size"]
        return replace(
            self,
            size=size,
            skip_clicks=settings["skip_clicks"] if settings["zoom_in"] else NEVER,
            expansion=settings["expansion"],
            max_size=settings["max_size"] if "max_size" in defaults else None,
        )

    def _outlived(self, held: Box, wanted: Box, clicks: Sequence[Click]) -> bool:
        leaves = _leaves(held, self._inside(clicks))
        return leaves or boxes.interval_iou(wanted, held) < self.stale_iou

    def _wanted(self, session: Session, clicks: Sequence[Click]) -> Box | None:
        """The crop around the answer and the clicks it must hold; None without an answer."""
        around = self._object(session) if session.answered else None
        if around is None:
            return None
        for click in self._inside(clicks):
            around = boxes.include(around, int(click.y), int(click.x))
        crop = boxes.expand(around, self.expansion, self.min_crop)
        return boxes.clamp(crop, *session.image.shape[-2:])

    def _object(self, session: Session) -> Box | None:
        """The bounding box of the object."""
        prob = session.prob if session.followed is None else session.followed
        return boxes.bbox_of(prob[0, 0] > self.threshold)

    def _inside(self, clicks: Sequence[Click]) -> list[Click]:
        return [click for click in clicks if click.positive or self.all_clicks]

    def _scaled(self, box: Box) -> tuple[int, int]:
        if not isinstance(self.size, int):
            return tuple(self.size)
        scale = self.size / max(box.height, box.width)
        return round(box.height * scale), round(box.width * scale)


def _leaves(held: Box, clicks: Sequence[Click]) -> bool:
    # The last row and column count as outside: the published code compares its inclusive upper
    # bounds with >=.
    inner = Box(held.top, held.left, held.bottom - 1, held.right - 1)
    return any(not inner.contains(c.y, c.x) for c in clicks)


RULE = ZoomIn
