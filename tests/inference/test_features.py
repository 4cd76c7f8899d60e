"""What the network computes from the image alone is kept in the session while the view stands
still, and never changes an answer.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Sequence

import pytest
import torch
from probe import probe_image
from torch import Tensor

import isegm.methods
from isegm.core.boxes import Box
from isegm.core.clicks import Click
from isegm.core.registry import build
from isegm.core.rounds import Session, storages
from isegm.inference.predictor import Predictor
from isegm.inference.views.base import View, ViewRule
from isegm.inference.views.whole_image import WholeImage
from isegm.methods.base import ClickModel
from isegm.methods.focalclick import focalclick_segformer
from isegm.methods.simpleclick import simpleclick

CLICKS = (Click(130, 190, True), Click(60, 60, False), Click(20, 300, False), Click(140, 170, True))


class Moving(ViewRule):
    """Crops of one size; every second click moves them."""

    def view(self, session: Session, clicks: Sequence[Click]) -> View:
        left = 20 * (len(clicks) // 2)
        box = Box(0, left, 200, left + 240)
        return View(box, (80, 96), box, None)


STILL, MOVING = WholeImage(max_size=96), Moving()
SPLIT = {
    "simpleclick": lambda: build(simpleclick("tiny", 64)),
    "focalclick s2": lambda: build(focalclick_segformer("tiny", width=32)),
    "focalclick s1": lambda: build(focalclick_segformer("tiny", "s1", width=32)),
}


def counted(model: ClickModel) -> list[tuple[int, ...]]:
    """The shapes of the images that the network encodes from now on."""
    shapes: list[tuple[int, ...]] = []
    original = model.encode_image

    def encode_image(image: Tensor) -> Tensor | None:
        shapes.append(tuple(image.shape))
        return original(image)

    model.encode_image = encode_image
    return shapes


def forgetful(predictor: Predictor, session: Session, click: Click) -> Session:
    """The answer of a predictor that kept no features."""
    return predictor.click(dataclasses.replace(session, features=None), click)


@pytest.fixture(params=SPLIT)
def model(request) -> ClickModel:
    torch.manual_seed(0)
    return SPLIT[request.param]()


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("rule", [STILL, MOVING], ids=["still", "moving"])
def test_kept_features_do_not_change_a_bit(model: ClickModel, rule, mirror: bool) -> None:
    predictor = Predictor(model, rule, mirror=mirror)
    kept = forgot = predictor.start(probe_image())
    for click in CLICKS:
        kept, forgot = predictor.click(kept, click), forgetful(predictor, forgot, click)
        assert kept.features is not None
        assert torch.equal(kept.prob, forgot.prob)


def test_an_image_is_encoded_once_while_the_view_stands_still(model: ClickModel) -> None:
    predictor, shapes = Predictor(model, STILL), counted(model)
    session = first = predictor.click(predictor.start(probe_image()), CLICKS[0])
    for click in CLICKS[1:]:
        session = predictor.click(session, click)
    assert len(shapes) == 1
    assert session.features.data_ptr() == first.features.data_ptr(), "undo costs no memory"


def test_a_new_view_is_encoded_anew(model: ClickModel) -> None:
    predictor, shapes = Predictor(model, MOVING), counted(model)
    session, views = predictor.start(probe_image()), []
    for click in CLICKS:
        session = predictor.click(session, click)
        views.append((session.view, session.view_size))
    assert len(set(views)) == len(shapes) == 3


def test_undone_and_branched_sessions_answer_as_ever(model: ClickModel) -> None:
    predictor = Predictor(model, STILL)
    first = predictor.click(predictor.start(probe_image()), CLICKS[0])
    a = predictor.click(first, CLICKS[1])
    predictor.click(a, CLICKS[2])
    assert torch.equal(predictor.click(first, CLICKS[1]).prob, a.prob)


def test_a_batch_answers_as_single_sessions_do(model: ClickModel) -> None:
    predictor = Predictor(model, STILL, mirror=True, max_pixels=10**9)
    flipped = probe_image()[:, ::-1].copy()
    starts = [predictor.start(image) for image in (probe_image(), flipped, probe_image())]
    some = [starts[0], predictor.click(starts[1], CLICKS[0]), predictor.click(starts[2], CLICKS[0])]
    clicks = [CLICKS[0], CLICKS[1], CLICKS[2]]
    both = predictor.click_many(some, clicks)
    for session, click, batched in zip(some, clicks, both, strict=True):
        alone = predictor.click(session, click)
        assert torch.allclose(alone.prob, batched.prob, atol=1e-5)
        assert torch.allclose(alone.features, batched.features, atol=1e-5)


def test_features_count_as_memory_of_a_session(model: ClickModel) -> None:
    session = Predictor(model, STILL).click(Predictor(model).start(probe_image()), CLICKS[0])
    without = dataclasses.replace(session, features=None)
    more = sum(storages(session).values()) - sum(storages(without).values())
    assert more == session.features.untyped_storage().nbytes()


@pytest.mark.parametrize(
    "name", [info.name for info in pkgutil.iter_modules(isegm.methods.__path__)]
)
def test_every_method_answers_the_same_with_and_without(name: str) -> None:
    tiny = getattr(importlib.import_module(f"isegm.methods.{name}"), "tiny", None)
    if tiny is None:
        pytest.skip(f"{name} is no method")
    torch.manual_seed(0)
    predictor = Predictor(tiny(), STILL)
    kept = forgot = predictor.start(probe_image())
    for click in CLICKS[:2]:
        kept, forgot = predictor.click(kept, click), forgetful(predictor, forgot, click)
    assert torch.equal(kept.prob, forgot.prob)
