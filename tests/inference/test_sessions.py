"""Every method under the predictor: undo, branches and batches of sessions, with a still view and a
moving one.
"""

import importlib
import pkgutil
from types import ModuleType

import pytest
import torch
from probe import probe_image

import isegm.methods
from isegm.core.clicks import Click
from isegm.core.rounds import Session
from isegm.inference.predictor import Predictor
from isegm.inference.views.whole_image import WholeImage
from isegm.inference.views.zoom_in import ZoomIn

MODULES = [
    importlib.import_module(f"isegm.methods.{m.name}")
    for m in pkgutil.iter_modules(isegm.methods.__path__)
]
METHODS = [pytest.param(m, id=m.__name__.rpartition(".")[2]) for m in MODULES if hasattr(m, "tiny")]
ZOOMS = {
    "still": WholeImage(max_size=96),
    "fixed": ZoomIn(skip_clicks=-1, size=(64, 80)),
    "moving": ZoomIn(size=80, min_crop=40),
}
CLICKS = [Click(133, 186, True), Click(59, 59, False), Click(150, 122, True)]


def predictor_of(module: ModuleType, zoom: str, mirror: bool = False) -> Predictor:
    torch.manual_seed(0)
    model = module.tiny()
    for m in model.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.running_var.uniform_(0.5, 1.5)
    return Predictor(model, ZOOMS[zoom], mirror=mirror)


def play(predictor: Predictor, clicks: list[Click], session: Session | None = None) -> Session:
    session = session or predictor.start(probe_image())
    for click in clicks:
        session = predictor.click(session, click)
    return session


@pytest.mark.parametrize("mirror", [False, True], ids=["plain", "mirror"])
@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("module", METHODS)
def test_undo_and_branches_disturb_nothing(module: ModuleType, zoom: str, mirror: bool) -> None:
    predictor = predictor_of(module, zoom, mirror)
    two = play(predictor, CLICKS[:2])
    before = two.prob.clone()
    three = predictor.click(two, CLICKS[2])
    play(predictor, [Click(20, 300, False), Click(10, 10, True)], two)  # another branch
    assert torch.equal(two.prob, before)
    assert torch.equal(predictor.click(two, CLICKS[2]).prob, three.prob)
    assert torch.equal(play(predictor, CLICKS).prob, three.prob)


@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("module", METHODS)
def test_sessions_answered_together_are_answered_as_alone(module: ModuleType, zoom: str) -> None:
    predictor = predictor_of(module, zoom, mirror=True)
    predictor.max_pixels = 10**9
    scripts = [CLICKS, [Click(60, 60, True), Click(133, 186, False), Click(62, 62, True)]]
    together = [predictor.start(probe_image()) for _ in scripts]
    for step in range(3):
        together = predictor.click_many(together, [script[step] for script in scripts])
    for session, script in zip(together, scripts, strict=True):
        alone = play(predictor, script)
        assert session.box == alone.box
        torch.testing.assert_close(session.prob, alone.prob, atol=2e-4, rtol=1e-3)
