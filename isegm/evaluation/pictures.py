"""Pictures of a model's answers to clicks: a folder with one per click, or rows for a page.

Those of the folder also show probabilities and the method's maps, e.g. of attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from isegm.core import boxes
from isegm.core.clicks import Click
from isegm.core.rounds import Session
from isegm.core.samples import Sample
from isegm.evaluation.metrics import mask_iou
from isegm.evaluation.users.centre import next_click
from isegm.inference.predictor import Predictor
from isegm.utils.vis import draw_clicks, heat, overlay, side_by_side, titled, to_width, write_image


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to a click.

    Attributes:
        clicks: those made so far, in image pixels.
        mask: ``H W`` bool.
        iou: of the mask with the truth, from 0 to 1.
    """

    clicks: tuple[Click, ...]
    mask: np.ndarray
    iou: float


def play(predictor: Predictor, sample: Sample, clicks: int, threshold: float) -> list[Answer]:
    """Let the simulated user of the NoC protocol make this many clicks, whatever the IoU.

    Args:
        threshold: probability above which a pixel is in the mask.
    """
    session = predictor.start(sample.image, sample.init_mask)
    mask = _mask(session, threshold)
    answers = []
    for _ in range(clicks):
        session = predictor.click(session, next_click(mask, sample.gt, session.clicks))
        mask = _mask(session, threshold)
        answers.append(Answer(session.clicks, mask, mask_iou(mask, sample.gt)))
    return answers


def picture_row(sample: Sample, answers: Sequence[Answer], width: int) -> np.ndarray:
    """A picture per answer, side by side: mask, outline, clicks, and a line with the IoU.

    Returns:
        ``H W 3`` uint8, RGB; each picture has ``width`` columns.
    """
    image, scale = to_width(sample.image, width), width / sample.image.shape[1]
    pictures = []
    for answer in answers:
        mask = to_width(255 * answer.mask.astype(np.uint8), width) > 127
        clicks = [_scaled(click, scale) for click in answer.clicks]
        count = "1 click" if len(clicks) == 1 else f"{len(clicks)} clicks"
        picture = draw_clicks(overlay(image, mask), clicks)
        pictures.append(titled(picture, f"{count}: IoU {100 * answer.iou:.0f} %"))
    return side_by_side(pictures)


class ClickPictures:
    """An observer for ``evaluate``: a picture and the mask after every click.

    Writes ``<folder>/<id>/click_<k>.jpg`` and ``mask_<k>.png``, and the newest mask as
    ``mask.png``; masks are 0 and 255.

    Args:
        folder: created when the first picture is written.
        threshold: probability above which a pixel is in the mask.
        points: draw the clicks, also on the numbered masks.
    """

    def __init__(self, folder: Path, threshold: float, *, points: bool = True) -> None:
        self.folder, self.threshold, self.points = folder, threshold, points

    def __call__(self, sample: Sample, session: Session, ious: list[float]) -> None:
        prob, mask = _prob(session), _mask(session, self.threshold)
        shown = overlay(sample.image, mask)
        if self.points:
            shown = draw_clicks(shown, session.clicks)
        picture = side_by_side([shown, heat(prob), *map(heat, maps_of(session))])
        here = self.folder / sample.id.replace("/", "_")
        text = f"{sample.id}  click {len(ious)}  IoU {100 * ious[-1]:.1f} %"
        write_image(here / f"click_{len(ious):02d}.jpg", titled(picture, text))
        plain = (255 * mask).astype("uint8")
        clicked = plain
        if self.points:
            clicked = draw_clicks(np.repeat(plain[..., None], 3, 2), session.clicks)
        write_image(here / f"mask_{len(ious):02d}.png", clicked)
        write_image(here / "mask.png", plain)


def maps_of(session: Session) -> list[np.ndarray]:
    """The maps that the method shows of its newest answer.

    Each is ``H W``, over the whole image, and 0 outside the view.
    """
    size = session.image.shape[-2:]
    planes = [plane[None, None].float() for maps in session.maps.values() for plane in maps[0]]
    return [boxes.paste(p, session.view, *size)[0, 0].cpu().numpy() for p in planes]


def _prob(session: Session) -> np.ndarray:
    return session.prob[0, 0].float().cpu().numpy()


def _mask(session: Session, threshold: float) -> np.ndarray:
    return _prob(session) > threshold


def _scaled(click: Click, scale: float) -> Click:
    """The click in a resized image; pixel centers are at whole numbers."""
    return replace(click, y=(click.y + 0.5) * scale - 0.5, x=(click.x + 0.5) * scale - 0.5)
