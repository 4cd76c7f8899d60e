"""A picture per click, with whatever maps the method shows."""

from pathlib import Path

import numpy as np
import torch

from isegm.core.boxes import Box
from isegm.core.clicks import Click
from isegm.core.rounds import Session
from isegm.core.samples import Sample
from isegm.data.reading import read_image
from isegm.evaluation.pictures import ClickPictures, maps_of


def session_of(**extras) -> Session:
    image = torch.zeros(1, 3, 40, 60, dtype=torch.uint8)
    return Session(image, torch.rand(1, 1, 40, 60), (Click(10, 10, True),), view=Box(0, 0, 40, 60), **extras)


def test_one_panel_per_map(tmp_path: Path) -> None:
    sample = Sample(np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), np.int8), "a/b")
    pictures = ClickPictures(tmp_path, 0.5)
    widths = []
    for maps in ({}, {"attention": torch.rand(1, 1, 5, 8)}, {"one": torch.rand(1, 2, 5, 8), "two": torch.rand(1, 1, 4, 4)}):
        pictures(sample, session_of(maps=maps), [0.5])
        widths.append(read_image(tmp_path / "a_b" / "click_01.jpg").shape[1])
    assert widths == [60 * n + 4 * (n - 1) for n in (2, 3, 5)]
    assert read_image(tmp_path / "a_b" / "mask.png").shape == (40, 60, 3)


def test_clicks_are_drawn_on_the_masks_only_if_asked(tmp_path: Path) -> None:
    sample = Sample(np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), np.int8), "one")
    for points in (False, True):
        ClickPictures(tmp_path, 0.5, points=points)(sample, session_of(), [0.5])
        numbered = read_image(tmp_path / "one" / "mask_01.png")
        grey = (numbered == numbered[..., :1]).all(-1)
        assert grey.all() != points
        assert np.isin(read_image(tmp_path / "one" / "mask.png"), (0, 255)).all()


def test_a_map_of_a_crop_lies_where_the_crop_does() -> None:
    session = session_of(maps={"attention": torch.ones(1, 1, 4, 4)})
    crop = Box(10, 20, 30, 50)
    (shown,) = maps_of(Session(session.image, session.prob, session.clicks, view=crop, maps=session.maps))
    assert shown.shape == (40, 60)
    assert np.allclose(shown[10:30, 20:50], 1)
    assert shown.sum() == 20 * 30
