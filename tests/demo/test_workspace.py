"""What a workspace keeps for undo, with methods that keep more than a probability."""

from __future__ import annotations

import contextlib
import importlib

import numpy as np
import pytest
import torch

from isegm.core.rounds import Session, storages
from isegm.demo.values import Picture
from isegm.demo.workspace import FEWEST_KEPT, Workspace
from isegm.inference.protocol import load_protocol
from isegm.inference.settings import Answering

SIDE = 64
CLICKS = [(10 + 6 * i, 12 + 5 * i, i % 3 != 1) for i in range(6)]


def clicked(name: str, history_bytes: int) -> Workspace:
    torch.manual_seed(0)
    model = importlib.import_module(f"isegm.methods.{name}").tiny().eval().requires_grad_(False)
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    answering = Answering(model, load_protocol(model.protocol))
    work = Workspace(
        answering, Picture("noise.png", b"", image), contextlib.nullcontext, history_bytes
    )
    work.configure({"size": SIDE})
    for click in CLICKS:
        work.click(*click)
    return work


def held(sessions: list[Session]) -> int:
    return sum(
        {place: size for session in sessions for place, size in storages(session).items()}.values()
    )


@pytest.mark.parametrize("name", ["emc_click", "fcfi"])
def test_history_counts_all_that_a_method_keeps(name: str) -> None:
    generous = clicked(name, 1 << 30)
    answers = list(generous.current.answers.values())
    assert len(answers) == 1 + len(CLICKS)
    newest = answers[-1]
    state = newest.state.logits if name == "emc_click" else newest.followed
    assert state.nbytes <= storages(newest)[str(state.device), state.untyped_storage().data_ptr()]
    assert held(answers) > (3 + 4) * SIDE**2 + 4 * SIDE**2 * len(
        CLICKS
    )  # image and probabilities alone

    budget = held(answers[-4:])
    work = clicked(name, budget)
    assert FEWEST_KEPT < len(work.current.answers) <= 4
    assert held(list(work.current.answers.values())) <= budget
    for _ in CLICKS:  # and what was forgotten comes back as it was
        work.undo()
        generous.undo()
        assert (work.shown()[1] == generous.shown()[1]).all()


def test_what_sessions_share_is_counted_once() -> None:
    image, prob = torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 1, 8, 8)
    sessions = [
        Session(image, prob, followed=prob, state={"a": (torch.zeros(2, 5)[:1], None)}),
        Session(
            image, prob.clone(), plain=Session(image, prob, maps={"m": torch.zeros(1, 1, 4, 4)})
        ),
    ]
    assert held(sessions[:1]) == 192 + 256 + 40
    assert held(sessions) == 192 + 256 + 40 + 256 + 64
