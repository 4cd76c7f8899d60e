"""A picture per click, with whatever maps the method shows, and rows of pictures for a page."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from isegm.core.boxes import Box
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.core.rounds import Session
from isegm.core.samples import Sample
from isegm.data.reading import read_image
from isegm.evaluation.pictures import Answer, ClickPictures, maps_of, picture_row, play
from isegm.evaluation.users.centre import next_click
from isegm.inference.protocol import load_protocol
from isegm.methods.ritm import ritm_hrnet
from isegm.utils.config import REPOSITORY
from isegm.utils.vis import MASK_COLOUR, POSITIVE_COLOUR, stacked, write_image

SMALL = ritm_hrnet(width=8, depth="tiny", ocr_width=16)


def session_of(**extras) -> Session:
    image = torch.zeros(1, 3, 40, 60, dtype=torch.uint8)
    return Session(
        image, torch.rand(1, 1, 40, 60), (Click(10, 10, True),), view=Box(0, 0, 40, 60), **extras
    )


def test_one_panel_per_map(tmp_path: Path) -> None:
    sample = Sample(np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), np.int8), "a/b")
    pictures = ClickPictures(tmp_path, 0.5)
    widths = []
    for maps in (
        {},
        {"attention": torch.rand(1, 1, 5, 8)},
        {"one": torch.rand(1, 2, 5, 8), "two": torch.rand(1, 1, 4, 4)},
    ):
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
    (shown,) = maps_of(
        Session(session.image, session.prob, session.clicks, view=crop, maps=session.maps)
    )
    assert shown.shape == (40, 60)
    assert np.allclose(shown[10:30, 20:50], 1)
    assert shown.sum() == 20 * 30


def square(size: tuple[int, int] = (60, 90)) -> Sample:
    """A gray image with a square object."""
    gt = np.zeros(size, np.int8)
    gt[20:40, 30:60] = 1
    return Sample(np.full((*size, 3), 128, np.uint8), gt, "square")


def test_play_makes_the_clicks_of_the_simulated_user() -> None:
    torch.manual_seed(0)
    protocol, sample = load_protocol("ritm"), square()
    predictor = protocol.predictor(build(SMALL).eval())
    answers = play(predictor, sample, 3, protocol.mask_threshold)
    assert [len(answer.clicks) for answer in answers] == [1, 2, 3]
    assert answers[0].clicks == answers[2].clicks[:1]
    assert answers[0].clicks[0] == next_click(np.zeros((60, 90), bool), sample.gt)
    assert answers[1].clicks[1] == next_click(answers[0].mask, sample.gt, answers[0].clicks)
    for answer in answers:
        both, either = answer.mask & (sample.gt == 1), answer.mask | (sample.gt == 1)
        assert answer.iou == pytest.approx(both.sum() / either.sum())


def test_a_row_shows_mask_and_clicks_at_its_own_scale() -> None:
    sample = square()
    answer = Answer((Click(30, 45, True),), sample.gt == 1, 1.0)
    wrong = Answer((Click(30, 45, True), Click(10, 10, False)), np.zeros((60, 90), bool), 0.0)
    row = picture_row(sample, [answer, wrong], 180)
    title = row.shape[0] - 120
    assert 0 < title < 40
    assert row.shape[1] == 2 * 180 + 4
    first, second = row[title:, :180], row[title:, 184:]
    assert tuple(first[60, 90]) == tuple(second[60, 90]) == POSITIVE_COLOUR
    assert tuple(first[40, 80]) == MASK_COLOUR, "the outline runs along the square, twice as large"
    assert (first[45, 110] != 128).any()
    assert (second[45, 110] == 128).all()
    assert not np.array_equal(row[:title, :180], row[:title, 184:]), "the IoUs differ"


def test_rows_of_different_width_are_stacked_on_white() -> None:
    rows = [np.zeros((10, 30, 3), np.uint8), np.zeros((5, 20, 3), np.uint8)]
    picture = stacked(rows, gap=2)
    assert picture.shape == (17, 30, 3)
    assert (picture[10:12] == 255).all()
    assert (picture[12:, 20:] == 255).all()
    assert not picture[12:, :20].any()


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run scripts/picture_strip.py with the starter."""
    described = importlib.util.spec_from_file_location(
        "picture_strip", REPOSITORY / "scripts/picture_strip.py"
    )
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)

    def run(*words: str) -> Path:
        out = tmp_path / "strip.png"
        monkeypatch.setattr("sys.argv", ["picture_strip.py", "--out", str(out), "--cpu", *words])
        module.main()
        return out

    return run


def test_the_strip_of_photographs(script, capsys: pytest.CaptureFixture) -> None:
    words = ("--objects", "coffee#3,clock", "--clicks", "1,2", "--width", "100")
    path = script(*words)
    strip = read_image(path)
    said = capsys.readouterr().out
    assert "protocol starter v2" in said
    assert said.count("% after 1 to 2 clicks") == 2
    assert strip.shape[1] == 204
    assert strip.shape[0] == (18 + 67) + 8 + (18 + 75)
    large = path.with_name("large.png")
    write_image(large, strip)
    assert np.array_equal(read_image(large), strip)
    assert path.stat().st_size < large.stat().st_size


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--objects", "coffee#9"), "coffee#"),
        (("--clicks", "2,1"), "expected rising numbers"),
        (("--clicks", "one"), "expected rising numbers"),
        (("--width", "3"), "at least 64"),
        (("--dataset", "photo"), "photos"),
    ],
)
def test_mistakes_are_named(script, words: tuple[str, str], message: str) -> None:
    with pytest.raises(IsegmError, match=message):
        script(*words)
