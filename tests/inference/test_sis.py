"""The structural integrity strategy: toy masks, the flood fill it stands for, and that it is
nothing but post-processing.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from painted import Listed, Painted, painted

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.core.rounds import Prediction, Round, Session
from isegm.core.samples import Sample
from isegm.evaluation.evaluate import evaluate
from isegm.inference.engine import Engine
from isegm.inference.predictor import Finish, Predictor
from isegm.inference.protocol import Protocol, load_protocol
from isegm.inference.sis import StructuralIntegrity
from isegm.inference.views.whole_image import WholeImage
from isegm.inference.views.zoom_in import ZoomIn
from isegm.methods.base import ClickModel
from isegm.methods.checkpoints import save_model
from isegm.methods.ritm import ritm_hrnet
from isegm.reference.evaluation_loop import play_sequentially
from isegm.utils.config import REPOSITORY
from isegm.utils.regions import regions_at
from isegm.utils.vis import write_image

TOY = np.array(
    [
        [1, 1, 0, 0, 0],
        [1, 0, 0, 0, 1],
        [0, 1, 0, 0, 1],
        [0, 1, 1, 0, 0],
    ],
    bool,
)
UPPER, LOWER, RIGHT = (0, 0), (3, 2), (1, 4)


def session(mask: np.ndarray, *clicks: Click) -> Session:
    prob = torch.from_numpy(np.where(mask, 0.9, 0.3)).float()[None, None]
    return Session(torch.zeros(1, 3, *mask.shape), prob, clicks)


def on(*points: tuple[int, int]) -> list[Click]:
    return [Click(float(y), float(x), True) for y, x in points]


def test_many_sessions_are_each_as_alone() -> None:
    """Masks that touch every border, of several sizes, one without a positive click: nothing
    connects across sessions.
    """
    rng = np.random.default_rng(3)
    masks = [
        np.ones((3, 7), bool),
        *(rng.random((h, w)) < 0.6 for h, w in ((9, 5), (4, 12), (9, 5))),
        np.ones((2, 4), bool),
    ]
    positive = [[], on((4, 2), (8, 4)), on((0, 0)), on((1, 1)), on((0, 3))]
    sessions = [
        session(mask, *clicks, Click(0.0, 1.0, False))
        for mask, clicks in zip(masks, positive, strict=True)
    ]
    for connectivity in (4, 8):
        keep = StructuralIntegrity(connectivity)
        for together, alone, given in zip(
            keep.many(sessions), map(keep, sessions), sessions, strict=True
        ):
            assert torch.equal(together.prob, alone.prob)
            assert together.plain is given
            points = [(int(c.y), int(c.x)) for c in given.clicks if c.positive]
            assert np.array_equal(
                together.prob[0, 0].numpy() > 0.5,
                regions_at(given.prob[0, 0].numpy() > 0.5, points, connectivity),
            )
    assert StructuralIntegrity(4).many([]) == []


@pytest.mark.parametrize(
    ("clicks", "connectivity", "kept"),
    [
        (on(UPPER), 4, [(0, 0), (0, 1), (1, 0)]),
        (on(UPPER), 8, [(0, 0), (0, 1), (1, 0), (2, 1), (3, 1), (3, 2)]),
        (on(LOWER), 4, [(2, 1), (3, 1), (3, 2)]),
        (on(LOWER, RIGHT), 4, [(1, 4), (2, 1), (2, 4), (3, 1), (3, 2)]),
        (on((0, 4)), 8, []),
        (on((0, 4), UPPER), 4, [(0, 0), (0, 1), (1, 0)]),
        ([Click(0, 0, False)], 8, []),
        ([Click(0, 0, False), *on(RIGHT)], 4, [(1, 4), (2, 4)]),
        ([], 4, []),
    ],
)
def test_toys(clicks: list[Click], connectivity: int, kept: list[tuple[int, int]]) -> None:
    before = session(TOY, *clicks)
    after = StructuralIntegrity(connectivity)(before)
    assert sorted(map(tuple, np.argwhere(after.prob[0, 0].numpy() > 0.5))) == kept
    assert torch.equal(after.prob[0, 0][~TOY], before.prob[0, 0][~TOY]), (
        "what was off the mask keeps its probability"
    )
    assert after.plain is before
    assert after.clicks == before.clicks


@pytest.mark.parametrize("connectivity", [4, 8])
def test_it_is_the_flood_fill_of_the_original(connectivity: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        mask = rng.random((30, 40)) < 0.55
        points = [tuple(p) for p in rng.integers(0, (30, 40), (3, 2)).tolist()]
        filled = mask.astype(np.uint8)
        for y, x in points:
            if mask[y, x]:
                cv2.floodFill(filled, None, (x, y), 2, flags=connectivity)
        assert np.array_equal(regions_at(mask, points, connectivity), filled == 2)


def test_clicks_between_pixels_lie_in_the_pixel_they_began_in() -> None:
    after = StructuralIntegrity(4)(session(TOY, Click(0.9, 0.9, True)))
    assert after.prob[0, 0, 0, 0] > 0.5


def test_unknown_connectivity() -> None:
    for made in (lambda: StructuralIntegrity(6), lambda: Protocol("test", 1, sis=6)):
        with pytest.raises(IsegmError, match="expected 4 or 8"):
            made()


class Spotted(ClickModel):
    """Finds everything bright, asked for or not, and says in its logits which previous mask it was
    shown.
    """

    def forward(self, round_: Round) -> Prediction:
        return Prediction(8 * round_.image[:, :1] - 4 + 0.5 * round_.prev_prob)


def two_spots() -> np.ndarray:
    image = np.zeros((60, 80, 3), np.uint8)
    image[10:30, 10:30] = image[40:50, 50:75] = 255
    return image


@pytest.mark.parametrize("zoom", [WholeImage(), ZoomIn(size=64, min_crop=20)])
def test_the_network_goes_on_from_its_own_answer(zoom: WholeImage | ZoomIn) -> None:
    plain = Predictor(Spotted(), zoom, mirror=True)
    tidy = Predictor(Spotted(), zoom, mirror=True, finish=Finish(integrity=StructuralIntegrity(4)))
    a, b = plain.start(two_spots()), tidy.start(two_spots())
    for click in (Click(5, 5, False), Click(2, 70, True), Click(20, 20, True), Click(45, 60, True)):
        kept = b
        a, b = plain.click(a, click), tidy.click(b, click)
        assert torch.equal(b.plain.prob, a.prob)
        assert b.plain.plain is None
        assert b.box == a.box
        (again,) = tidy.click_many([kept], [click])
        assert torch.equal(again.prob, b.prob)
    third = tidy.click(tidy.start(two_spots()), Click(20, 20, True))
    assert third.prob[0, 0, 20, 20] > 0.5
    assert third.prob[0, 0, 45, 60] == 0
    assert (b.prob > 0.5).sum() > (third.prob > 0.5).sum(), "both spots are asked for"


def spots(i: int) -> Sample:
    image, gt = np.roll(two_spots(), i, axis=1), np.zeros((60, 80), np.int8)
    gt[10:30, 10 + i : 30 + i] = 1
    return Sample(image, gt, f"spots{i}")


def test_evaluation_judges_what_is_shown() -> None:
    data = Listed([spots(i) for i in range(4)])
    protocol = Protocol("test", 1, view={"rule": "whole_image"}, max_clicks=3)
    tidy = protocol.changed(sis=4)
    assert tidy.label == "test v1 (sis=4)"
    plain = evaluate(protocol.predictor(Spotted()), data, protocol)
    better = evaluate(tidy.predictor(Spotted()), data, tidy)
    assert plain.metrics["fail@90"] == 4
    assert better.metrics["NoC@90"] == 1.0
    predictor = tidy.predictor(Spotted())
    slow = evaluate(
        predictor,
        data,
        tidy,
        player=lambda indices, clock: play_sequentially(predictor, data, tidy, indices, clock),
    )
    assert [o.clicks for o in slow.objects] == [o.clicks for o in better.objects]


def test_a_right_answer_stays_right() -> None:
    protocol = Protocol("test", 1, view={"rule": "whole_image"}, max_clicks=3, sis=8)
    found = evaluate(
        protocol.predictor(Painted(wait=0)), Listed([painted(i) for i in range(3)]), protocol
    )
    assert found.metrics["NoC@90"] == 1.0


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    spec = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
    save_model(path, build(spec), spec)
    return path


def test_engine(checkpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = load_protocol("ritm").changed(view={"rule": "whole_image"}, mirror=False)
    engine = Engine(checkpoint, device="cpu", protocol=whole, sis=8)
    engine._predictor.model = Spotted()
    image = two_spots()
    assert (engine.predict([20], [20], [True], image) == 255).sum() == 400
    assert (engine.predict([20], [20], [True], image, threshold=0.001) == 255).all(), (
        "at this threshold all is one region"
    )
    assert not engine.predict([], [], [], image).any()
    session = engine.click(engine.start(image), 5, 5, False)
    assert not session.mask.any()
    assert "no positive click" in caplog.text
    session = engine.click(session, 45, 60, True)
    assert session.mask.sum() == 250
    assert engine.click(session, 20, 20, True).mask.sum() == 650
    assert not session.undo().mask.any()
    with pytest.raises(IsegmError, match="expected 4 or 8"):
        Engine(checkpoint, device="cpu", sis=5)
    assert replace(engine.protocol, changes=()) == replace(whole.changed(sis=8), changes=())


def test_scripts(checkpoint: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "image.png", two_spots())
    base = [
        sys.executable,
        "scripts/try_clicks.py",
        "--checkpoint",
        str(checkpoint),
        "--cpu",
        "--image",
    ]
    command = [
        *base,
        str(tmp_path / "image.png"),
        "--clicks",
        "5,5,0",
        "--sis",
        "--save-probs",
        str(tmp_path / "probs.npy"),
    ]
    told = subprocess.run(
        command, cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout
    assert "(sis=4)" in told
    assert "0 pixels, 0.00 % of the image; empty because no click is positive yet" in told
    assert (np.load(tmp_path / "probs.npy") <= 0.49).all()
    command = [
        sys.executable,
        "scripts/evaluate_model.py",
        "NoBRS",
        "--checkpoint",
        str(checkpoint),
        "--cpu",
    ]
    command += ["--datasets", "synthetic", "--limit", "1", "--n-clicks", "2", "--sis", "8"]
    command += ["--save-json", str(tmp_path / "result.json"), "--logs-path", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    assert "sis=8" in json.loads((tmp_path / "result.json").read_text())["protocol"]["changes"]
