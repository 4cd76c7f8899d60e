"""No zoom-in: the network always sees the whole image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from isegm.core import boxes
from isegm.core.boxes import Box
from isegm.core.click import Click
from isegm.core.errors import IsegmError
from isegm.inference.controls import Control
from isegm.inference.views.base import View, ViewRule, check_size, limit_control, limited

if TYPE_CHECKING:
    from isegm.core.rounds import Session


@dataclass(frozen=True)
class WholeImage(ViewRule):
    """The whole image.

    Attributes:
        max_size: limit on the longer side, where no ``size`` is given; None for no limit.
        size: pixels of the shorter side, or (rows, columns); None: the image's own size.
        multiple: sides that follow from the shorter one are rounded, and then cut to a multiple of
            this.
        rounded: otherwise they are cut to whole pixels.
        aligned: resample with aligned corners; otherwise by the centers of pixels, as OpenCV does.
        logits: answers are resized to the image as logits; otherwise as probabilities.
        as_bytes: resize the image in whole gray levels, as OpenCV does with bytes; needs
            ``aligned: false``.
    """

    max_size: int | None = None
    size: int | tuple[int, int] | None = None
    multiple: int = 1
    rounded: bool = True
    aligned: bool = True
    logits: bool = False
    as_bytes: bool = False
    noted_as: ClassVar[str] = "whole"

    def __post_init__(self) -> None:
        if self.size is not None:
            check_size("whole_image", self.size)
        if self.as_bytes and self.aligned:
            why = "OpenCV resizes bytes by the centers of pixels"
            raise IsegmError(f"view rule whole_image: as_bytes needs aligned: false; {why}")

    def view(self, session: Session, clicks: Sequence[Click]) -> View:
        box = boxes.whole(*session.image.shape[-2:])
        return View(
            box, self._scaled(box), box, None, self.aligned, self.logits, as_bytes=self.as_bytes
        )

    def at_size(self, rows: int, columns: int) -> dict[str, Any]:
        return {"size": [rows, columns]}

    def resized(self, side: int) -> dict[str, Any]:
        """The shorter side; both sides where every view is stretched to one size."""
        return {"size": [side, side] if isinstance(self.size, tuple | list) else side}

    def controls(self) -> list[Control]:
        if self.size is None:
            return [limit_control(self.max_size)]
        if not isinstance(self.size, int):
            return []
        hint = "Pixels that the network sees"
        return [Control("size", "Shorter side", "whole", self.size, 32, 2048, 32, (), "View", hint)]

    def adjusted(self, settings: Mapping[str, Any]) -> WholeImage:
        names = [control.name for control in self.controls()]
        return replace(self, **{name: settings[name] for name in names})

    def _scaled(self, box: Box) -> tuple[int, int]:
        if self.size is None:
            return limited(box, self.max_size)
        if not isinstance(self.size, int):
            return tuple(self.size)
        sides, shorter = (box.height, box.width), min(box.height, box.width)
        if not self.rounded:  # in whole numbers, where no rounding error can cost a pixel
            return tuple(side * self.size // shorter for side in sides)
        scale = self.size / shorter
        return tuple(max(1, round(s * scale) // self.multiple) * self.multiple for s in sides)


RULE = WholeImage
