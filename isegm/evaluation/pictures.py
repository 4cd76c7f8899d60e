"""A picture per click, for looking at what a model does: the answer over the image, its probabilities, and whatever else
the method shows, such as an attention map.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isegm.core import boxes
from isegm.core.rounds import Session
from isegm.core.samples import Sample
from isegm.utils.vis import draw_clicks, heat, overlay, side_by_side, titled, write_image


class ClickPictures:
    """An observer for ``evaluate``: a picture and the mask after every click.

    Writes ``<folder>/<id>/click_<k>.jpg`` and ``mask_<k>.png``, and the newest mask as ``mask.png``; masks are 0 and 255.

    Args:
        folder: created when the first picture is written.
        threshold: probability above which a pixel is in the mask.
        points: draw the clicks, into the numbered masks too.
    """

    def __init__(self, folder: Path, threshold: float, *, points: bool = True) -> None:
        self.folder, self.threshold, self.points = folder, threshold, points

    def __call__(self, sample: Sample, session: Session, ious: list[float]) -> None:
        prob = session.prob[0, 0].float().cpu().numpy()
        mask = prob > self.threshold
        shown = overlay(sample.image, mask)
        if self.points:
            shown = draw_clicks(shown, session.clicks)
        picture = side_by_side([shown, heat(prob), *(heat(found) for found in maps_of(session))])
        here = self.folder / sample.id.replace("/", "_")
        text = f"{sample.id}  click {len(ious)}  IoU {100 * ious[-1]:.1f} %"
        write_image(here / f"click_{len(ious):02d}.jpg", titled(picture, text))
        plain = (255 * mask).astype("uint8")
        clicked = draw_clicks(np.repeat(plain[..., None], 3, 2), session.clicks) if self.points else plain
        write_image(here / f"mask_{len(ious):02d}.png", clicked)
        write_image(here / "mask.png", plain)


def maps_of(session: Session) -> list[np.ndarray]:
    """The maps that the method shows of its newest answer, each ``H W`` over the whole image; 0 outside the view."""
    size = session.image.shape[-2:]
    planes = [plane for found in session.maps.values() for plane in found[0]]
    return [boxes.paste(p[None, None].float(), session.view, *size)[0, 0].cpu().numpy() for p in planes]
