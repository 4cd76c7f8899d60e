"""Random work on sessions: whatever a user does in whatever order, an answer depends on image,
initial mask and clicks alone.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import torch
from fuzzing import few
from hypothesis import given
from hypothesis import strategies as st

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Prediction, Round, Session
from isegm.demo.values import Picture
from isegm.demo.workspace import Workspace
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import load_protocol
from isegm.inference.session_file import SessionFile, answered
from isegm.inference.settings import Answering
from isegm.inference.views.zoom_in import ZoomIn
from isegm.methods.base import ClickModel
from isegm.nn.clicks.disks import Disks

HEIGHT, WIDTH = 24, 32


class Remembering(ClickModel):
    """Answers from image, clicks, previous mask and a state, so that a mistake in any of them
    shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clicks = Disks(5)

    def forward(self, round_: Round) -> Prediction:
        maps = self.clicks(round_.clicks, round_.image.shape[-2:])
        count = round_.image.new_zeros(len(round_.image)) if round_.state is None else round_.state
        own = 3 * (maps[:, :1] - maps[:, 1:]) + round_.image.mean(1, keepdim=True)
        logits = own + 4 * (round_.prev_prob - 0.5) - 0.1 * count[:, None, None, None]
        return Prediction(logits, state=count + 1)


IMAGE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
MODEL = Remembering().eval()

CLICKS = st.builds(Click, st.floats(0, HEIGHT - 1), st.floats(0, WIDTH - 1), st.booleans())
MASKS = st.integers(0, 2**31).map(
    lambda seed: np.random.default_rng(seed).random((HEIGHT, WIDTH)) > 0.6
)


def predictor() -> Predictor:
    return Predictor(MODEL, ZoomIn(size=32, skip_clicks=1), mirror=True)


def clicked(session: Session, clicks: list[Click]) -> Session:
    return answered(predictor(), session, clicks)


@few
@given(
    start=st.none() | MASKS,
    tree=st.lists(st.tuples(st.integers(0, 9), CLICKS), min_size=1, max_size=8),
)
def test_every_branch_is_what_its_clicks_give(
    start: np.ndarray | None, tree: list[tuple[int, Click]]
) -> None:
    """Clicks are made in any of the sessions so far: branches and undo are the same thing."""
    asked = predictor()
    first = asked.start(IMAGE, None if start is None else start.astype(np.float32))
    sessions, before = [first], [first.prob.clone()]
    for place, click in tree:
        made = asked.click(sessions[place % len(sessions)], click)
        sessions.append(made)
        before.append(made.prob.clone())
    for session, prob in zip(sessions, before, strict=True):
        assert torch.equal(session.prob, prob)  # later clicks elsewhere have not touched it
        assert torch.equal(clicked(first, list(session.clicks)).prob, prob)


@few
@given(st.lists(CLICKS, min_size=2, max_size=5), st.integers(1, 5))
def test_a_batch_of_sessions_is_answered_as_one_by_one(clicks: list[Click], count: int) -> None:
    asked = predictor()
    start = asked.start(IMAGE)
    sessions = [answered(asked, start, clicks[:i]) for i in range(min(count, len(clicks)))]
    together = asked.click_many(sessions, [clicks[-1]] * len(sessions))
    for session, answer in zip(sessions, together, strict=True):
        torch.testing.assert_close(asked.click(session, clicks[-1]).prob, answer.prob)


NUMBERS = st.floats(-2, 40) | st.sampled_from([float("nan"), float("inf"), -0.5, 1e308])
ACTIONS = st.one_of(
    st.tuples(st.just("click"), st.tuples(NUMBERS, NUMBERS, st.booleans())),
    st.tuples(st.just("click"), CLICKS.map(lambda c: (c.y, c.x, c.positive))),
    st.tuples(st.sampled_from(["undo", "undo", "redo", "reset", "finish"]), st.just(())),
    st.tuples(st.just("start_from"), st.tuples(MASKS)),
    st.tuples(st.sampled_from(["reopen", "delete"]), st.tuples(st.integers(0, 4))),
    st.tuples(
        st.just("configure"),
        st.tuples(st.dictionaries(st.sampled_from(["threshold", "size", "nonsense"]), NUMBERS)),
    ),
)


def workspace(history_bytes: int = 1 << 20) -> Workspace:
    answering = Answering(MODEL, load_protocol("ritm"))
    picture = Picture("noise.png", b"", IMAGE)
    work = Workspace(answering, picture, contextlib.nullcontext, history_bytes)
    work.configure({"size": 32})
    return work


def state(work: Workspace) -> dict[str, Any]:
    return {
        "shown": work.shown()[1].tobytes(),
        "clicks": tuple(work.current.clicks[: work.current.shown]),
        "numbers": [each.number for each in work.objects()],
        "masks": [each.recorded.mask.bits for each in work.objects()],
        "settings": dict(work.settings),
    }


@few
@given(st.lists(ACTIONS, max_size=12), st.sampled_from([0, 1 << 20]))
def test_whatever_a_user_does(actions: list[tuple[str, tuple]], history_bytes: int) -> None:
    """What is refused changes nothing; what undo takes back, redo gives back; a saved session
    replays to the same masks, whatever was kept in memory.
    """
    work = workspace(history_bytes)
    for name, arguments in actions:
        before = state(work)
        try:
            getattr(work, name)(*arguments)
        except IsegmError:
            assert state(work) == before
            continue
        after = state(work)
        if name == "click":
            work.undo()
            assert state(work)["shown"] == before["shown"]
            work.redo()
            assert state(work) == after
        if name == "reset":
            assert not work.current.shown
    protocol = {"name": "x", "dataset": None, "label": None}
    record = work.record({"name": "m", "sha256": "0"}, protocol, False)
    again = SessionFile.from_json(record.as_json())
    replayed = workspace().replayed(again)
    pairs = zip(replayed.everything(), again.objects, strict=True)
    assert all(a.recorded.mask == b.mask for a, b in pairs)
