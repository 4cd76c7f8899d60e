"""The classical methods answer sessions, and segment what is easy to segment."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.foreign.base import ForeignModel
from isegm.foreign.classical.base import METHODS, resized, seeds_of
from isegm.foreign.names import parsed
from isegm.foreign.opening import opened
from isegm.inference.engine import Engine
from isegm.inference.protocol import protocol_for
from isegm.utils import extras

pytest.importorskip("maxflow")
pytest.importorskip("skimage")
NAMES = METHODS.names()


def predictor(name: str, **settings):
    model = ForeignModel(METHODS.make({"method": name, **settings})).eval()
    return protocol_for(model).predictor(model)


def picture(rows: int = 80, columns: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """A red disc with noise on a green ground, and where it is."""
    y, x = np.mgrid[:rows, :columns]
    disc = (y - rows / 2) ** 2 + (x - columns / 2) ** 2 < (min(rows, columns) / 4) ** 2
    image = np.where(disc[..., None], (190, 60, 50), (40, 150, 70)).astype(float)
    image += np.random.default_rng(0).normal(0, 6, image.shape)
    return image.clip(0, 255).astype(np.uint8), disc


@pytest.mark.parametrize("name", NAMES)
def test_a_disc_of_another_colour_is_segmented(name: str) -> None:
    image, disc = picture()
    ours = predictor(name)
    session = ours.click(ours.start(image), Click(40, 50, True))
    session = ours.click(session, Click(8, 8, False))
    mask = session.prob[0, 0].numpy() > 0.5
    assert (mask & disc).sum() / (mask | disc).sum() > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_undo_branches_and_batches(name: str) -> None:
    image, _ = picture()
    ours = predictor(name)
    one = ours.click(ours.start(image), Click(40, 50, True))
    two = ours.click(one, Click(8, 8, False))
    other = ours.click(one, Click(44, 60, False))
    assert torch.equal(ours.click(one, Click(8, 8, False)).prob, two.prob)
    ours.max_pixels = 10**7
    together = ours.click_many(
        [one, one, ours.start(image)], [two.clicks[1], other.clicks[1]] * 1 + [Click(40, 50, True)]
    )
    for answer, alone in zip(together, (two, other, one), strict=True):
        assert torch.equal(answer.prob, alone.prob)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (7, 300), (3000, 4000)])
@pytest.mark.parametrize("name", NAMES)
def test_sizes(name: str, size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    if size[0] > 1000:  # noise of this size would take minutes to cut
        image = picture(*size)[0]
    ours = predictor(name)
    session = ours.click(ours.start(image), Click(size[0] // 2, size[1] // 2, True))
    session = ours.click(session, Click(0, 0, False))
    assert session.prob.shape[-2:] == size
    assert session.prob.isfinite().all()
    assert session.prob[0, 0, 0, 0] < 0.5  # the newest click holds, even where seeds overlap


@pytest.mark.parametrize("name", NAMES)
def test_an_image_of_one_colour_and_a_negative_first_click(name: str) -> None:
    ours = predictor(name)
    flat = np.full((30, 40, 3), 128, np.uint8)
    first = ours.click(ours.start(flat), Click(10, 10, False))
    assert not (first.prob > 0.5).any()
    second = ours.click(first, Click(20, 30, True))
    assert second.prob[0, 0, 20, 30] > 0.5
    assert second.prob[0, 0, 10, 10] < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_answers_repeat(name: str) -> None:
    image, _ = picture()
    probs = []
    for _ in range(2):
        ours = predictor(name)
        np.random.default_rng().random(3)
        session = ours.click(ours.start(image), Click(40, 50, True))
        probs.append(ours.click(session, Click(30, 20, False)).prob)
    assert torch.equal(*probs)


def test_seeds() -> None:
    clicks = [Click(5, 5, True), Click(5, 8, False)]
    seeds = seeds_of(clicks, (12, 14), 2)
    assert seeds.label[5, 5] == 1
    assert seeds.label[5, 8] == 0
    assert seeds.label[5, 6] == 0  # both disks cover it, the later click wins
    assert seeds.label[3, 5] == 1
    assert seeds.label[3, 4] == -1  # further away than 2
    assert (seeds.label != -1).sum() == 13 + 13 - 2
    assert seeds_of([Click(5, 5, True), Click(5, 6, False)], (9, 9), 3).label[5, 5] == 1
    bordered = seeds_of(clicks[:1], (12, 14), 2).with_border()
    assert (bordered.label[0] == 0).all()
    assert bordered.label[5, 5] == 1
    assert (seeds.with_border().label[0] == -1).all()  # there is a negative click


def test_reduced_sizes_are_averages() -> None:
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_allclose(resized(values, (2, 2)), [[2.5, 4.5], [10.5, 12.5]])
    assert resized(values, (4, 4)) is values


def test_a_smaller_image_is_cut_and_the_label_says_so() -> None:
    engine = Engine("classical:graph_cut,max_side=40,radius=3")
    assert engine.protocol.label == ("whole_image v1 (radius=3, weight=50, bins=16, max_side=40)")
    image, disc = picture()
    session = engine.click(engine.start(image, "RGB"), 40, 50, True)
    session = engine.click(session, 8, 8, False)
    assert (session.mask & disc).sum() / (session.mask | disc).sum() > 0.85


def test_names_and_settings_that_do_not_exist() -> None:
    with pytest.raises(IsegmError, match="unknown classical method 'grapcut'; did you mean g"):
        Engine("classical:grapcut")
    with pytest.raises(IsegmError, match=r"'beta'.*beta belongs to random_walker"):
        Engine("classical:graph_cut,beta=3")
    with pytest.raises(IsegmError, match="radius is -1; expected a number above 0"):
        Engine("classical:grabcut,radius=-1")
    with pytest.raises(IsegmError, match="weight is 'much'; expected a number"):
        Engine("classical:graph_cut,weight=much")


@pytest.mark.parametrize(
    ("name", "package"), [("graph_cut", "PyMaxflow"), ("random_walker", "scikit-image")]
)
def test_without_the_library(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(module: str) -> None:
        raise ImportError(f"No module named {module!r}")

    monkeypatch.setattr(extras, "importlib", SimpleNamespace(import_module=refuse))
    with pytest.raises(IsegmError, match=rf"{name} needs {package} .*isegm\[classical\]"):
        METHODS.part(name)()


def test_the_hash_follows_the_settings() -> None:
    def sha256(name: str) -> str:
        return opened(parsed(name), "cpu").sha256

    assert sha256("classical:grabcut") == sha256("classical:grabcut,radius=5")
    assert sha256("classical:grabcut") != sha256("classical:grabcut,radius=4")
