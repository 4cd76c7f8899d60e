"""What the network is told beyond a crop: several passes on the first click, no clicks on the
border, maps to look at.
"""

import torch
from probe import ProbeNet, probe_image
from torch import Tensor

from isegm.core.clicks import Click, Clicks
from isegm.core.rounds import Prediction, Round
from isegm.inference.merge import ProgressiveMerge
from isegm.inference.predictor import Finish, Predictor
from isegm.inference.views.zoom_in import ZoomIn


class Watched(ProbeNet):
    """Remembers what it was shown, and shows its answer as a map."""

    shown_maps = ("bumps", "missing")

    def __init__(self) -> None:
        super().__init__(prev_mask=True)
        self.rounds: list[Round] = []

    def forward(self, round_: Round) -> Prediction:
        self.rounds.append(round_)
        logits = super().forward(round_).logits
        return Prediction(logits, {"bumps": logits[..., ::8, ::8].sigmoid(), "unseen": logits})


def whole(**settings) -> ZoomIn:
    return ZoomIn(size=(64, 96), skip_clicks=1000, resize_whole=True, **settings)


def seen_prev(model: Watched) -> list[Tensor]:
    return [round_.prev_prob for round_ in model.rounds]


def test_the_first_click_is_answered_twice_the_second_once() -> None:
    model = Watched()
    predictor = Predictor(model, whole(first_passes=2))
    once = Predictor(Watched(), whole()).click(
        predictor.start(probe_image()), Click(100, 100, True)
    )
    session = predictor.click(predictor.start(probe_image()), Click(100, 100, True))
    assert len(model.rounds) == 2
    assert not seen_prev(model)[0].any()
    assert torch.allclose(seen_prev(model)[1].mean(), once.prob.mean(), atol=1e-2), (
        "the first answer is the previous mask"
    )
    assert not torch.equal(session.prob, once.prob)
    assert session.clicks == (Click(100, 100, True),)
    predictor.click(session, Click(20, 20, False))
    assert len(model.rounds) == 3


def test_only_first_clicks_of_a_mixed_batch_are_answered_again() -> None:
    model = Watched()
    predictor = Predictor(model, whole(first_passes=3), max_pixels=10**9)
    old = predictor.click(predictor.start(probe_image()), Click(100, 100, True))
    model.rounds.clear()
    fresh = predictor.start(probe_image())
    both = predictor.click_many([old, fresh], [Click(20, 20, False), Click(100, 100, True)])
    assert sum(len(round_.image) for round_ in model.rounds) == 1 + 3
    alone = [
        predictor.click(old, Click(20, 20, False)),
        predictor.click(fresh, Click(100, 100, True)),
    ]
    for a, b in zip(both, alone, strict=True):
        assert torch.allclose(a.prob, b.prob, atol=1e-6)


def test_a_given_mask_is_merged_with_the_last_of_the_passes() -> None:
    start = torch.zeros(240, 320)
    start[100:160, 150:220] = 1
    merge = ProgressiveMerge(0.5, "guarded")
    predictor = Predictor(Watched(), whole(first_passes=2), finish=Finish(merge=merge))
    session = predictor.start(probe_image(), start)
    merged = predictor.click(session, Click(60, 60, True))
    plain = Predictor(Watched(), whole(first_passes=2)).click(session, Click(60, 60, True))
    expected = merge(session, plain)
    assert torch.equal(merged.prob, expected.prob)
    assert torch.equal(merged.feedback, plain.prob)


def test_clicks_on_the_first_row_and_column_vanish() -> None:
    model = Watched()
    predictor = Predictor(model, whole(inner_clicks=True))
    session = predictor.start(probe_image())
    for click in (
        Click(0, 50, True),
        Click(50, 0, True),
        Click(0.5, 0.5, True),
        Click(239, 319, True),
    ):
        session = predictor.click(session, click)
    assert model.rounds[-1].clicks.label.tolist() == [[-1, -1, 1, 1]]
    assert len(session.clicks) == 4, "the session itself keeps them"
    told = Watched()
    Predictor(told, whole()).click(session, Click(10, 10, False))
    assert told.rounds[-1].clicks.label.tolist() == [[1, 1, 1, 1, 0]]


def test_inner_clicks() -> None:
    yx = torch.tensor(
        [[[0.0, 3.0], [3.0, 0.0], [0.1, 0.1], [8.0, 3.0], [7.9, 9.9], [-1.0, 3.0]]],
        dtype=torch.float64,
    )
    clicks = Clicks(yx, torch.tensor([[1, 0, 1, 1, 0, 1]]))
    assert clicks.inner((8, 10)).label.tolist() == [[-1, -1, 1, -1, 0, -1]]


def test_sessions_keep_the_maps_that_are_shown_and_no_others() -> None:
    predictor = Predictor(Watched(), whole(), mirror=True)
    session = predictor.start(probe_image())
    assert session.maps == {}
    after = predictor.click(session, Click(100, 100, True))
    assert set(after.maps) == {"bumps"}
    assert after.maps["bumps"].shape == (1, 1, 8, 12)
    assert session.maps == {}
