"""A picture per click, for looking at what a model does: the answer over the image, and its probabilities."""

from __future__ import annotations

from pathlib import Path

from isegm.core.rounds import Session
from isegm.core.samples import Sample
from isegm.utils.vis import draw_clicks, heat, overlay, side_by_side, titled, write_image


class ClickPictures:
    """An observer for ``evaluate``: writes ``<folder>/<id>/click_<k>.jpg`` and the newest mask as ``<folder>/<id>/mask.png``.

    Args:
        folder: created when the first picture is written.
        threshold: probability above which a pixel is in the mask.
        points: draw the clicks.
    """

    def __init__(self, folder: Path, threshold: float, *, points: bool = True) -> None:
        self.folder, self.threshold, self.points = folder, threshold, points

    def __call__(self, sample: Sample, session: Session, ious: list[float]) -> None:
        prob = session.prob[0, 0].float().cpu().numpy()
        mask = prob > self.threshold
        shown = overlay(sample.image, mask)
        if self.points:
            shown = draw_clicks(shown, session.clicks)
        picture = side_by_side([shown, heat(prob)])
        here = self.folder / sample.id.replace("/", "_")
        text = f"{sample.id}  click {len(ious)}  IoU {100 * ious[-1]:.1f} %"
        write_image(here / f"click_{len(ious):02d}.jpg", titled(picture, text))
        write_image(here / "mask.png", (255 * mask).astype("uint8"))
