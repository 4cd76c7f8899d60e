"""Extra passes on the network's own answer (CFR)."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil

import pytest
import torch
from probe import ProbeNet, probe_image
from torch import Tensor

import isegm.methods
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Prediction, Round, Session
from isegm.inference.cascade import Cascade, cascade_settings
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import load_protocol
from isegm.inference.settings import Answering
from isegm.inference.views.whole_image import WholeImage
from isegm.inference.views.zoom_in import ZoomIn

CLICKS = (Click(130, 190, True), Click(60, 60, False), Click(100, 250, False))
WHOLE = WholeImage(max_size=96)
METHODS = [info.name for info in pkgutil.iter_modules(isegm.methods.__path__)]


class Watched(ProbeNet):
    """Remembers its previous masks."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(prev_mask=True)
        self.gain, self.rounds = gain, []

    def forward(self, round_: Round) -> Prediction:
        self.rounds.append(round_)
        logits = super().forward(round_).logits
        return Prediction(logits + (self.gain - 1) * (round_.prev_prob - 0.5))


def predictor(model: ProbeNet | None = None, **cascade) -> Predictor:
    given = Cascade(**cascade) if cascade else None
    return Predictor(model or Watched(), WHOLE, cascade=given)


def played(own: Predictor, clicks: tuple[Click, ...] = CLICKS) -> Session:
    session = own.start(probe_image())
    for click in clicks:
        session = own.click(session, click)
    return session


def test_each_extra_pass_sees_the_answer_before() -> None:
    model = Watched()
    session = played(predictor(model, passes=3), CLICKS[:1])
    assert len(model.rounds) == 4
    by_hand = Predictor(Watched(), WHOLE)
    answer, shown = None, [torch.zeros_like(session.prob)]
    for _ in range(4):
        start = by_hand.start(probe_image(), shown[-1][0, 0])
        answer = by_hand.click(start, CLICKS[0])
        shown.append(answer.prob)
    assert torch.equal(session.prob, answer.prob)
    assert session.clicks == CLICKS[:1]
    for round_, other in zip(model.rounds, by_hand.model.rounds, strict=True):
        assert torch.equal(round_.prev_prob, other.prev_prob)


def test_without_extra_passes_not_a_bit_changes() -> None:
    protocol = load_protocol("ritm")
    none = protocol.changed(cfr=cascade_settings(0))
    assert none == protocol
    assert none.label == protocol.label
    a, b = (played(p.predictor(Watched())) for p in (protocol, none))
    assert torch.equal(a.prob, b.prob)


def test_only_the_first_clicks_get_extra_passes() -> None:
    model = Watched()
    played(predictor(model, passes=2, clicks=1))
    assert len(model.rounds) == 3 + 1 + 1


def test_the_adaptive_form_stops_when_the_mask_stands_still() -> None:
    model = Watched(gain=6.0)
    played(predictor(model, passes=50, settled=0), CLICKS[:1])
    masks = len(model.rounds)
    assert 2 < masks < 51
    fixed = [played(predictor(Watched(6.0), passes=n), CLICKS[:1]).prob > 0.49 for n in (1, 2, 3)]
    fixed += [
        played(predictor(Watched(6.0), passes=masks - n), CLICKS[:1]).prob > 0.49 for n in (2, 1)
    ]
    assert not torch.equal(fixed[0], fixed[-1]), "it moved before"
    assert torch.equal(fixed[-2], fixed[-1]), "the last pass changed nothing"
    once = Watched(gain=6.0)
    played(predictor(once, passes=50, settled=240 * 320), CLICKS[:1])
    assert len(once.rounds) == 2, "any change is few enough"


@pytest.mark.parametrize("settled", [None, 20])
def test_a_batch_answers_as_single_sessions_do(settled: int | None) -> None:
    model = Watched(gain=6.0)
    cascade = Cascade(passes=4, clicks=2, settled=settled)
    together = Predictor(model, WHOLE, mirror=True, max_pixels=10**9, cascade=cascade)
    other = probe_image()[:, ::-1].copy()
    sessions = [together.start(image) for image in (probe_image(), other, 255 - probe_image())]
    sessions[1] = together.click(sessions[1], CLICKS[0])
    for click in CLICKS:
        alone = [together.click(session, click) for session in sessions]
        sessions = together.click_many(sessions, [click] * 3)
        for a, b in zip(alone, sessions, strict=True):
            assert torch.allclose(a.prob, b.prob, atol=1e-6)


def test_undo_gives_the_same_answer_again() -> None:
    own = predictor(passes=2)
    first = played(own, CLICKS[:1])
    second = own.click(first, CLICKS[1])
    own.click(second, CLICKS[2])
    assert torch.equal(own.click(first, CLICKS[1]).prob, second.prob)


def test_a_second_look_is_refined_in_its_own_view() -> None:
    model = Watched()
    rule = ZoomIn(size=(64, 96), skip_clicks=0, resize_whole=True, min_crop=10, threshold=0.9)
    own = Predictor(model, rule, cascade=Cascade(passes=2))
    session = own.click(own.start(probe_image() // 2), CLICKS[0])
    assert len(model.rounds) == 1 + 1 + 2
    assert torch.equal(model.rounds[-1].image, model.rounds[1].image)
    assert not torch.equal(model.rounds[0].image, model.rounds[1].image)
    assert session.view != (0, 0, 240, 320)


def test_a_mask_to_start_from_is_merged_once() -> None:
    start = torch.zeros(240, 320)
    start[100:160, 150:220] = 1
    protocol = dataclasses.replace(load_protocol("ritm"), merge="guarded", cfr={"passes": 2})
    own = protocol.predictor(Watched())
    session = own.start(probe_image(), start)
    after = own.click(session, Click(60, 60, True))
    plain = dataclasses.replace(protocol, merge="replace").predictor(Watched())
    unmerged = plain.click(session, Click(60, 60, True))
    assert torch.equal(after.feedback, unmerged.prob)
    assert not torch.equal(after.prob, unmerged.prob)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_truly_whether_it_takes_a_previous_mask(name: str) -> None:
    tiny = getattr(importlib.import_module(f"isegm.methods.{name}"), "tiny", None)
    if tiny is None:
        pytest.skip(f"{name} is no method")
    torch.manual_seed(0)
    model = tiny()
    once = Predictor(model, WHOLE)
    session = once.click(once.start(probe_image()), CLICKS[0])
    if not model.prev_mask:
        start = once.start(probe_image(), torch.rand(240, 320))
        assert torch.equal(once.click(start, CLICKS[0]).prob, session.prob)
        with pytest.raises(IsegmError, match="takes no previous mask; leave out --cfr"):
            predictor(model, passes=1)
        return
    torch.manual_seed(0)  # FCFI and others may draw
    refined = played(predictor(model, passes=1), CLICKS[:1])
    assert not torch.equal(refined.prob, session.prob)
    assert refined.prob.isfinite().all()


def test_the_label_of_a_protocol_says_so() -> None:
    protocol = load_protocol("ritm")
    changed = protocol.changed(cfr=cascade_settings(2, 1))
    assert changed.label == "ritm v1 (cfr.passes=2, cfr.clicks=1)"
    adaptive = protocol.changed(cfr=cascade_settings("adaptive"))
    assert adaptive.label == "ritm v1 (cfr.passes=10, cfr.settled=20)"
    assert adaptive.cascade() == Cascade(10, None, 20, threshold=0.49)
    assert protocol.cascade() is None


@pytest.mark.parametrize("value", ["-1", "two", "1.5", "", True])
def test_a_wrong_number_of_passes_is_refused(value) -> None:
    with pytest.raises(IsegmError, match="expected a number of extra passes"):
        cascade_settings(value)


def test_settings_that_do_not_exist_are_refused() -> None:
    with pytest.raises(IsegmError, match="clicks is 0; expected a whole number, at least 1"):
        cascade_settings(2, 0)
    with pytest.raises(IsegmError, match="needs extra passes"):
        cascade_settings(0, 1)
    with pytest.raises(IsegmError, match=r"setting of cfr.*passes"):
        dataclasses.replace(load_protocol("ritm"), cfr={"pases": 2})
    with pytest.raises(IsegmError, match="cfr is 2; expected settings"):
        dataclasses.replace(load_protocol("ritm"), cfr=2)


def test_people_choose_the_passes_in_the_demo() -> None:
    model = Watched()
    answering = Answering(model, load_protocol("ritm"))
    assert answering.defaults["cfr"] == 0
    own = answering.predictor(answering.checked({"cfr": 2}))
    own.click(own.start(probe_image()), CLICKS[0])
    assert len(model.rounds) == 3
    assert "cfr" not in Answering(ProbeNet(prev_mask=False), load_protocol("ritm")).controls


def test_an_extra_pass_of_the_probe_moves_its_answer() -> None:
    """The probe without a previous mask would make the tests above vacuous."""
    a, b = played(predictor(passes=2), CLICKS[:1]), played(predictor(), CLICKS[:1])
    difference: Tensor = (a.prob - b.prob).abs().max()
    assert difference > 1e-3
