"""Where the network looks: the whole image at first, then a crop around the object.

The rules are those of RITM's zoom-in (arXiv 2102.06583, and f-BRS before it), to the pixel: published NoC numbers depend on
every rounding here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from isegm.core import boxes
from isegm.core.boxes import Box
from isegm.core.clicks import Click
from isegm.core.rounds import Session


@dataclass(frozen=True)
class View:
    """What the network is shown for one click.

    Attributes:
        source: the part of the image it sees.
        size: (rows, columns) that part is resized to.
        target: the part of the image its answer is laid on; all else becomes 0. The same as ``source`` except for one
            published flaw, see ``ZoomIn``.
        held: the crop to hold on to for the next click, None while there is none.
        aligned: image and answer are resampled with aligned corners; otherwise by the centres of pixels.
    """

    source: Box
    size: tuple[int, int]
    target: Box
    held: Box | None
    aligned: bool = True


@dataclass(frozen=True)
class WholeImage:
    """No zoom-in: the whole image.

    Attributes:
        max_size: limit on the longer side, where no ``size`` is given; None for no limit.
        size: pixels of the shorter side (EMC-Click: 384, FCA-Net: 512), or (rows, columns); None: the image's own size.
        multiple: sides that follow from the shorter one are rounded, and then cut to a multiple of this (EMC-Click: 4).
        rounded: otherwise they are cut to whole pixels (FCA-Net).
        aligned: resample with aligned corners; otherwise by the centres of pixels, as OpenCV does (FCA-Net).
    """

    max_size: int | None = None
    size: int | tuple[int, int] | None = None
    multiple: int = 1
    rounded: bool = True
    aligned: bool = True
    inner_clicks: ClassVar[bool] = False
    first_passes: ClassVar[int] = 1
    follow: ClassVar[str | None] = None

    def view(self, session: Session, clicks: Sequence[Click]) -> View:
        box = boxes.whole(*session.image.shape[-2:])
        return View(box, self._scaled(box), box, None, self.aligned)

    def _scaled(self, box: Box) -> tuple[int, int]:
        if self.size is None:
            return limited(box, self.max_size)
        if not isinstance(self.size, int):
            return tuple(self.size)
        if not self.rounded:  # in whole numbers, where no rounding error can cost a pixel
            return tuple(side * self.size // min(box.height, box.width) for side in (box.height, box.width))
        scale = self.size / min(box.height, box.width)
        return tuple(max(1, round(side * scale) // self.multiple) * self.multiple for side in (box.height, box.width))

    def looks_again(self, session: Session) -> bool:
        return False


@dataclass(frozen=True)
class ZoomIn:
    """Crop to the object once there is an answer, and hold the crop until the object leaves it.

    Attributes:
        size: the longer side of a crop after resizing, or (rows, columns) to resize to exactly.
        skip_clicks: clicks that see the whole image at its own size; -1 crops (and resizes) from the first click on.
        expansion: how much larger than the object's bounding box the crop is.
        min_crop: the least height and width of a crop, in image pixels.
        threshold: probability above which a pixel belongs to the object here (0.5 in RITM, while its masks use 0.49).
        stale_iou: a new crop replaces the held one when their ``boxes.interval_iou`` is below this; above 1, always.
        max_size: limit on the longer side of whole-image views; None for no limit (as in every published evaluation).
        resize_whole: whole-image views are brought to ``size`` as crops are (FocalClick).
        inner_clicks: the network is not told of clicks on the first row and column of a view (ClickAttention).
        first_passes: how often the first click is answered, each time with the answer before as previous mask
            (ClickAttention: 2).
        follow: the map of the method (``ClickModel.shown_maps``) that crops are chosen by, instead of its answer (FCFI:
            feedback2).
        all_clicks: a crop holds all clicks, not only the positive ones (FCFI).

    A flaw of the published code is kept because it moves numbers: when the answer becomes empty the network sees the whole
    image again, yet its answer is still squeezed into the crop held before.
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

    def view(self, session: Session, clicks: Sequence[Click]) -> View:
        """The view for answering ``clicks``, of which the last is not answered in ``session`` yet."""
        image = boxes.whole(*session.image.shape[-2:])
        size = self._scaled(image) if self.resize_whole else limited(image, self.max_size)
        unchanged = View(image, size, session.box or image, session.box)
        if len(clicks) <= self.skip_clicks:
            return unchanged
        wanted = self._wanted(session, clicks)
        if wanted is None:
            if self.skip_clicks >= 0:
                return unchanged
            wanted = image
        held = session.box
        if held is None or _leaves(held, self._inside(clicks)) or boxes.interval_iou(wanted, held) < self.stale_iou:
            held = wanted
        return View(held, self._scaled(held), held, held)

    def looks_again(self, session: Session) -> bool:
        """Whether a first answer, given without a crop, calls for a second one with a crop.

        Only possible with ``skip_clicks=0``: the first click is then answered on the whole image and again on the crop.
        """
        if session.box is not None or self.skip_clicks > 0:
            return False
        found = self._found(session)
        if found is None:
            return False
        height, width = session.image.shape[-2:]
        crop = boxes.clamp(boxes.expand(found, self.expansion, self.min_crop), height, width)
        return boxes.interval_iou(crop, boxes.whole(height, width)) < 0.5

    def _wanted(self, session: Session, clicks: Sequence[Click]) -> Box | None:
        """The crop around the current answer and the clicks it must hold; None without an answer."""
        found = self._found(session) if session.answered else None
        if found is None:
            return None
        for click in self._inside(clicks):
            found = boxes.include(found, int(click.y), int(click.x))
        return boxes.clamp(boxes.expand(found, self.expansion, self.min_crop), *session.image.shape[-2:])

    def _found(self, session: Session) -> Box | None:
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


def limited(box: Box, max_size: int | None) -> tuple[int, int]:
    """The size of a box, scaled down if its longer side exceeds ``max_size``."""
    longer = max(box.height, box.width)
    if max_size is None or longer <= max_size:
        return box.height, box.width
    scale = max_size / longer
    return max(1, round(box.height * scale)), max(1, round(box.width * scale))


def _leaves(held: Box, clicks: Sequence[Click]) -> bool:
    # The last row and column count as outside: RITM compares its inclusive upper bounds with >=.
    inner = Box(held.top, held.left, held.bottom - 1, held.right - 1)
    return any(not inner.contains(c.y, c.x) for c in clicks)
