"""f-BRS in sessions: clicks, moving views, and many sessions at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from golden import with_golden_weights
from probe import probe_image

from isegm.core.boxes import Box
from isegm.core.clicks import Click
from isegm.core.registry import build
from isegm.core.rounds import Session
from isegm.inference.modes import MODES, PLAIN
from isegm.inference.predictor import Predictor
from isegm.inference.views.base import View
from isegm.inference.views.whole_image import WholeImage
from isegm.methods.fbrs import FBRS, fbrs_hrnet
from isegm.methods.ritm import RITM
from isegm.nn.brs import BRSSettings

BRS_MODES = [mode for mode in MODES if mode not in PLAIN]
FEATURE_MODES = [mode for mode in BRS_MODES if mode.startswith("f-BRS")]


@pytest.fixture(scope="module")
def network() -> RITM:
    return with_golden_weights(build(fbrs_hrnet(width=8, depth="tiny", ocr_width=16)))


def play(predictor: Predictor, image: np.ndarray, clicks: list[Click]) -> Session:
    session = predictor.start(image)
    for click in clicks:
        session = predictor.click(session, click)
    return session


@dataclasses.dataclass(frozen=True)
class Roaming(WholeImage):
    """Looks at another part of the image after every second click."""

    def view(self, session: Session, clicks: Sequence[Click]) -> View:
        shift = 20 * (len(clicks) // 2)
        box = Box(shift, shift, 180 + shift, 240 + shift)
        return View(box, (48, 64), box, box)

    def looks_again(self, session: Session) -> bool:
        return False


VIEWS = {"fixed": WholeImage(max_size=64), "moving": Roaming()}
QUICK = BRSSettings(evaluations=6)
SPREAD = [
    Click(133, 186, True),
    Click(59, 59, False),
    Click(150, 122, True),
    Click(20, 300, False),
    Click(60, 60, True),
]


class TestSessions:
    @pytest.mark.parametrize("view", VIEWS)
    @pytest.mark.parametrize("mode", ["f-BRS-B", "RGB-BRS"])
    @pytest.mark.parametrize("mirror", [False, True])
    def test_undo_and_branches_are_exact(
        self, network: RITM, mode: str, view: str, mirror: bool
    ) -> None:
        predictor = Predictor(FBRS(network, mode, 2, QUICK), VIEWS[view], mirror=mirror)
        image = probe_image()
        two = play(predictor, image, SPREAD[:2])
        variables = two.state.variables.clone()
        three = predictor.click(two, SPREAD[2])
        predictor.click(two, SPREAD[3])  # another branch
        predictor.click(predictor.click(three, SPREAD[3]), SPREAD[4])  # further on
        assert torch.equal(two.state.variables, variables)
        assert torch.equal(predictor.click(two, SPREAD[2]).prob, three.prob)
        assert torch.equal(play(predictor, image, SPREAD[:3]).prob, three.prob)
        assert three.state.evaluations[0] > 0
        assert (play(predictor, image, SPREAD[:1]).view == three.view) == (view == "fixed")

    @pytest.mark.parametrize("view", VIEWS)
    def test_many_sessions_answer_as_single_ones(self, network: RITM, view: str) -> None:
        predictor = Predictor(FBRS(network, "f-BRS-B", 2, QUICK), VIEWS[view], mirror=True)
        images = [probe_image(), probe_image()[:, ::-1].copy()]
        together = [predictor.start(i) for i in images]
        alone = list(together)
        for click in SPREAD[:4]:
            together = predictor.click_many(together, [click] * 2)
            alone = [predictor.click(session, click) for session in alone]
            for a, b in zip(together, alone, strict=True):
                assert torch.equal(a.prob, b.prob)

    def test_bfloat16_reaches_the_network_but_not_the_search(self, network: RITM) -> None:
        predictor = Predictor(FBRS(network, clicks_limit=2), VIEWS["fixed"], amp=True)
        session = play(predictor, probe_image(), SPREAD[:3])
        assert session.state.features[0].dtype == torch.float32
        assert session.state.evaluations[0] >= 1
        assert session.prob.isfinite().all()
