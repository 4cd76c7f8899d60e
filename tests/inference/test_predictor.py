"""Sessions are values, views follow the published rules, and a batch of sessions gives what single
sessions give.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from probe import ProbeNet, probe_image
from torch import Tensor

from isegm.core.boxes import Box
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Prediction, Round, Session
from isegm.inference.predictor import Predictor
from isegm.inference.views.whole_image import WholeImage
from isegm.inference.views.zoom_in import ZoomIn
from isegm.methods.base import ClickModel

CLICKS = [Click(133, 186, True), Click(59, 59, False), Click(150, 122, True), Click(20, 300, False)]


@dataclass(frozen=True)
class Memory:
    answer: Tensor
    rounds: tuple[Tensor]


class Remembering(ClickModel):
    """Adds its own last answer while the view stands still, and counts rounds: any leak between
    sessions shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.probe = ProbeNet(prev_mask=True)

    def forward(self, round_: Round) -> Prediction:
        logits = self.probe(round_).logits
        count = torch.ones(len(logits), 1)
        if round_.state is not None:
            count = round_.state.rounds[0] + 1
            if not round_.fresh_view:
                logits = logits + 0.3 * round_.state.answer
        return Prediction(logits + 0.01 * count[..., None, None], state=Memory(logits, (count,)))


def play(predictor: Predictor, image: np.ndarray, clicks: list[Click]) -> Session:
    session = predictor.start(image)
    for click in clicks:
        session = predictor.click(session, click)
    return session


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize(
    "zoom",
    [ZoomIn(), ZoomIn(skip_clicks=-1, size=(96, 128)), ZoomIn(min_crop=40), WholeImage()],
    ids=str,
)
def test_undo_and_branches_disturb_nothing(zoom: ZoomIn | WholeImage, mirror: bool) -> None:
    predictor = Predictor(Remembering(), zoom, mirror=mirror)
    image = probe_image()
    two = play(predictor, image, CLICKS[:2])
    before = two.prob.clone()
    three = predictor.click(two, CLICKS[2])
    predictor.click(two, CLICKS[3])  # another branch
    predictor.click(predictor.click(three, CLICKS[3]), Click(10, 10, False))  # further on
    assert torch.equal(two.prob, before)
    assert torch.equal(predictor.click(two, CLICKS[2]).prob, three.prob)
    assert torch.equal(play(predictor, image, CLICKS[:3]).prob, three.prob)
    assert three.clicks == tuple(CLICKS[:3])


@pytest.mark.parametrize("mirror", [False, True])
def test_a_batch_of_sessions_gives_what_single_sessions_give(mirror: bool) -> None:
    predictor = Predictor(Remembering(), ZoomIn(min_crop=60), mirror=mirror)
    image = probe_image()
    images = [image, image[:, ::-1].copy(), image[:200], image]
    scripts = [
        CLICKS[:3],
        [Click(133, 133, True), Click(59, 260, False), Click(150, 197, True)],
        [Click(133, 186, True), Click(100, 200, True), Click(5, 5, False)],
        [Click(60, 60, True), Click(133, 186, False), Click(62, 62, True)],
    ]
    together = [predictor.start(i) for i in images]
    alone = list(together)
    for step in range(3):
        together = predictor.click_many(together, [s[step] for s in scripts])
        alone = [predictor.click(a, s[step]) for a, s in zip(alone, scripts, strict=True)]
        for a, b in zip(together, alone, strict=True):
            assert a.box == b.box
            assert a.view == b.view
            torch.testing.assert_close(a.prob, b.prob, atol=1e-6, rtol=1e-5)
            torch.testing.assert_close(a.state.answer, b.state.answer, atol=1e-5, rtol=1e-5)
            assert torch.equal(a.state.rounds[0], b.state.rounds[0])


class Scripted(ClickModel):
    """Answers with given full-resolution masks, one per click, whatever view it is shown of an
    image of that size.
    """

    def __init__(self, masks: list[np.ndarray]) -> None:
        super().__init__()
        self.masks, self.rounds = masks, []

    def forward(self, round_: Round) -> Prediction:
        self.rounds.append(round_)
        mask = torch.from_numpy(self.masks[int(round_.clicks.count[0]) - 1]).float()[None, None]
        logits = torch.nn.functional.interpolate(20 * mask - 10, size=round_.image.shape[-2:])
        return Prediction(logits)


def box_mask(box: Box, shape: tuple[int, int] = (300, 400)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[box.top : box.bottom, box.left : box.right] = True
    return mask


IMAGE = np.zeros((300, 400, 3), np.uint8)


def test_zoom_holds_the_crop_until_the_object_leaves_it() -> None:
    mask = box_mask(Box(100, 100, 220, 220))
    model = Scripted([mask] * 4)
    predictor = Predictor(model, ZoomIn())
    session = play(predictor, IMAGE, [Click(150, 150, True)])
    assert session.box is None
    assert model.rounds[-1].image.shape == (1, 3, 300, 400)
    session = predictor.click(session, Click(151, 151, True))
    # bounds 100..219: centre 159.5, 1.4 * 120 = 168 < 200, so 59.5..259.5, rounded half to even
    assert session.box == Box(60, 60, 261, 261)
    assert model.rounds[-1].image.shape == (1, 3, 400, 400)
    assert session.prob[0, 0, :60].max() == 0
    held = session.box
    session = predictor.click(session, Click(152, 152, False))
    assert session.box == held
    # A positive click on the last row of the crop counts as outside.
    session = predictor.click(session, Click(260, 152, True))
    assert session.box != held
    assert session.box.bottom > 261


def test_an_empty_answer_is_squeezed_into_the_held_crop() -> None:
    full = np.ones((300, 400), bool)
    object_ = box_mask(Box(100, 100, 220, 220))
    model = Scripted([object_, np.zeros_like(full), full])
    predictor = Predictor(model, ZoomIn())
    session = play(
        predictor, IMAGE, [Click(150, 150, True), Click(151, 151, True), Click(160, 160, True)]
    )
    assert model.rounds[-1].image.shape == (1, 3, 300, 400)  # it sees the whole image again
    assert session.prob[0, 0, 60:261, 60:261].min() > 0.99
    assert session.prob[0, 0, :60].max() == 0


def test_fixed_size_starts_from_the_whole_image() -> None:
    model = Scripted([box_mask(Box(10, 10, 30, 30))])
    session = play(
        Predictor(model, ZoomIn(skip_clicks=-1, size=(64, 80))), IMAGE, [Click(20, 20, True)]
    )
    assert model.rounds[0].image.shape == (1, 3, 64, 80)
    assert session.box == Box(0, 0, 300, 400)
    assert model.rounds[0].clicks.yx.tolist() == [[[20 * 64 / 300, 20 * 80 / 400]]]


def test_second_pass_when_the_first_click_may_zoom() -> None:
    small = box_mask(Box(100, 100, 140, 150))
    model = Scripted([small])
    session = play(Predictor(model, ZoomIn(skip_clicks=0)), IMAGE, [Click(120, 120, True)])
    assert [tuple(r.image.shape[-2:]) for r in model.rounds] == [(300, 400), (400, 400)]
    assert (
        model.rounds[1].prev_prob.max() == 0
    )  # the crop follows the new answer, the network sees the old one
    assert session.box == Box(20, 24, 221, 225)
    large = box_mask(Box(0, 0, 300, 390))
    model = Scripted([large])
    play(Predictor(model, ZoomIn(skip_clicks=0)), IMAGE, [Click(120, 120, True)])
    assert len(model.rounds) == 1


def test_longest_side_is_limited() -> None:
    model = Scripted([box_mask(Box(10, 10, 30, 30))])
    session = play(Predictor(model, WholeImage(max_size=200)), IMAGE, [Click(20, 40, True)])
    assert model.rounds[0].image.shape == (1, 3, 150, 200)
    assert model.rounds[0].clicks.yx.tolist() == [[[10, 20]]]
    assert session.prob.shape == (1, 1, 300, 400)


def test_starting_from_a_mask_shows_it_to_the_network() -> None:
    model = Scripted([box_mask(Box(10, 10, 30, 30))])
    start = box_mask(Box(0, 0, 50, 60)).astype(np.float32)
    predictor = Predictor(model, WholeImage())
    session = predictor.click(predictor.start(IMAGE, start), Click(20, 40, True))
    assert torch.equal(model.rounds[0].prev_prob[0, 0], torch.from_numpy(start))
    assert session.prob[0, 0, 20, 20] > 0.5


def test_clicks_limit_keeps_the_first_clicks() -> None:
    model = Scripted([box_mask(Box(10, 10, 30, 30))] * 2)
    predictor = Predictor(model, WholeImage(), clicks_limit=2)
    play(predictor, IMAGE, [Click(1, 1, True), Click(2, 2, False), Click(3, 3, True)])
    assert model.rounds[-1].clicks.yx.tolist() == [[[1, 1], [2, 2]]]


@pytest.mark.parametrize("click", [Click(-1, 5, True), Click(5, 400, False), Click(300, 5, True)])
def test_a_click_outside_the_image_is_refused(click: Click) -> None:
    predictor = Predictor(ProbeNet(True))
    with pytest.raises(IsegmError, match="outside the image of 300 rows and 400 columns"):
        predictor.click(predictor.start(IMAGE), click)


@pytest.mark.parametrize(
    ("image", "prob"),
    [
        (np.zeros((4, 5), np.uint8), None),
        (np.zeros((4, 5, 3), np.float32), None),
        (np.zeros((4, 5, 4), np.uint8), None),
        (np.zeros((0, 5, 3), np.uint8), None),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4), np.float32)),
        (torch.zeros(3, 4, 5), None),
    ],
)
def test_wrong_shapes_are_refused(image: np.ndarray | Tensor, prob: np.ndarray | None) -> None:
    with pytest.raises(IsegmError):
        Predictor(ProbeNet(True)).start(image, prob)


def test_smallest_images_work() -> None:
    predictor = Predictor(ProbeNet(True), mirror=True)
    session = play(predictor, np.full((1, 1, 3), 200, np.uint8), [Click(0, 0, True)] * 3)
    assert session.prob.shape == (1, 1, 1, 1)
    assert torch.isfinite(session.prob).all()
