"""The prediction API: the same answers as the predictor, values that do not change, and errors that
say what to do.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.inference.engine import Engine
from isegm.inference.protocol import load_protocol
from isegm.methods.checkpoints import save_model
from isegm.methods.ritm import ritm_hrnet
from isegm.originals.loading import load_model

SPEC = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
IMAGE = np.random.default_rng(0).integers(
    0, 256, (90, 120, 3), dtype=np.uint8
)  # BGR, as OpenCV reads
CLICKS = [(30, 40, True), (70, 100, False), (20, 90, True)]  # x, y would be (40, 30), ...


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("engine") / "model.safetensors"
    save_model(path, build(SPEC), SPEC)
    return path


@pytest.fixture(scope="module")
def optimising(checkpoint: Path) -> Engine:
    protocol = load_protocol("ritm").changed(view={"rule": "zoom_in", "size": 64, "min_crop": 40})
    return Engine(checkpoint, "f-BRS-B", device="cpu", protocol=protocol)


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Engine:
    return Engine(checkpoint, device="cpu")


def columns(clicks: list[tuple[float, float, bool]]) -> tuple[list, list, list]:
    ys, xs, labels = (list(column) for column in zip(*clicks, strict=True))
    return xs, ys, labels


def test_it_answers_as_the_predictor_of_the_protocol_of_the_method(
    engine: Engine, checkpoint: Path
) -> None:
    predictor = load_protocol("ritm").predictor(load_model(checkpoint).model)
    expected = predictor.start(IMAGE[:, :, ::-1].copy())
    session = engine.start(IMAGE)
    for y, x, positive in CLICKS:
        expected = predictor.click(expected, Click(y, x, positive))
        session = engine.click(session, y, x, positive)
        assert np.array_equal(session.prob, expected.prob[0, 0].numpy())
    assert session.clicks == expected.clicks
    assert session.mask.dtype == bool
    assert np.array_equal(session.mask, session.prob > 0.5)


def test_predict_replays_the_clicks(engine: Engine) -> None:
    session = engine.start(IMAGE)
    for y, x, positive in CLICKS:
        session = engine.click(session, y, x, positive)
    threshold = float(np.median(session.prob))
    mask = engine.predict(*columns(CLICKS), IMAGE, threshold)
    assert mask.shape == (90, 120)
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 255}
    assert np.array_equal(mask == 255, session.prob > threshold)
    rgb = IMAGE[:, :, ::-1]
    assert np.array_equal(engine.predict(*columns(CLICKS), rgb, threshold, channels="RGB"), mask)
    assert not np.array_equal(engine.predict(*columns(CLICKS), rgb, threshold), mask)
    arrays = (np.array(column) for column in columns(CLICKS))
    assert np.array_equal(engine.predict(*arrays, IMAGE, threshold), mask)
    assert np.array_equal(
        engine.predict([40, 100, 90], [30, 70, 20], [1, 0, 1], IMAGE, threshold), mask
    )


def test_no_clicks_no_object(engine: Engine) -> None:
    mask = engine.predict([], [], [], IMAGE)
    assert mask.shape == (90, 120)
    assert mask.dtype == np.uint8
    assert not mask.any()
    assert not engine.start(IMAGE).mask.any()


def test_sessions_do_not_change(engine: Engine) -> None:
    image = IMAGE.copy()
    first = engine.click(engine.start(image), *CLICKS[0])
    kept = first.prob.copy()
    second = engine.click(first, *CLICKS[1])
    image[:] = 0
    branch = engine.click(first, *CLICKS[2])
    first.mask[:] = True
    with pytest.raises(ValueError, match="read-only"):
        first.prob[:] = 0
    assert np.array_equal(first.prob, kept)
    assert second.undo() is first
    assert branch.undo() is first
    assert np.array_equal(engine.click(second.undo(), *CLICKS[1]).prob, second.prob)
    with pytest.raises(IsegmError, match="no click to undo"):
        first.undo().undo()


@pytest.mark.parametrize("mode", ["engine", "optimising"])
def test_many_threads_share_an_engine(mode: str, request: pytest.FixtureRequest) -> None:
    engine: Engine = request.getfixturevalue(mode)
    images = [np.roll(IMAGE, 7 * i, axis=1)[: 90 - 3 * i] for i in range(6)]

    def play(image: np.ndarray) -> np.ndarray:
        session = engine.start(image)
        for y, x, positive in CLICKS:
            session = engine.click(session, min(y, len(image) - 1), x, positive)
        return session.prob

    alone = [play(image) for image in images]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(2):
            for expected, found in zip(alone, pool.map(play, images), strict=True):
                np.testing.assert_allclose(found, expected, atol=1e-6)


def test_optimisation_leaves_the_first_answer_and_the_network_alone(
    checkpoint: Path, optimising: Engine
) -> None:
    engine = Engine(checkpoint, device="cpu", protocol=optimising.protocol)
    plain, better = engine.start(IMAGE), optimising.start(IMAGE)
    for step, (y, x, positive) in enumerate(CLICKS):
        plain, better = (
            engine.click(plain, y, x, positive),
            optimising.click(better, y, x, positive),
        )
        assert np.allclose(plain.prob, better.prob, atol=1e-6) == (step == 0)
    assert not any(p.requires_grad or p.grad is not None for p in optimising.model.parameters())
    again = optimising.click(better.undo(), *CLICKS[-1])
    assert np.array_equal(again.prob, better.prob)


def test_sessions_of_two_images_can_take_turns(engine: Engine) -> None:
    other = IMAGE[::-1].copy()
    a, b = engine.start(IMAGE), engine.start(other)
    for y, x, positive in CLICKS:
        a, b = engine.click(a, y, x, positive), engine.click(b, y, x, positive)
    expected = engine.start(other)
    for y, x, positive in CLICKS:
        expected = engine.click(expected, y, x, positive)
    assert np.array_equal(b.prob, expected.prob)


def test_starting_from_a_mask(engine: Engine) -> None:
    start = np.zeros((90, 120), bool)
    start[20:60, 30:80] = True
    session = engine.start(IMAGE, prob=start)
    assert np.array_equal(session.mask, start)
    plain = engine.click(engine.start(IMAGE), *CLICKS[0])
    assert not np.array_equal(engine.click(session, *CLICKS[0]).prob, plain.prob)
    for wrong in (start[:50], start[..., None], 255 * start.astype(np.uint8)):
        with pytest.raises(IsegmError, match="mask to start from"):
            engine.start(IMAGE, prob=wrong)


def test_another_protocol(checkpoint: Path, engine: Engine) -> None:
    whole = Engine(
        checkpoint,
        device="cpu",
        protocol=load_protocol("ritm").changed(view={"rule": "whole_image"}, mirror=False),
    )
    assert whole.protocol.label == "ritm v1 (view=whole_image, mirror=False)"
    probs = []
    for used in (engine, whole):
        session = used.start(IMAGE)
        for click in CLICKS:
            session = used.click(session, *click)
        probs.append(session.prob)
    assert not np.array_equal(*probs)
    assert Engine(checkpoint, device="cpu", protocol="ritm").protocol == engine.protocol


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "cv2.imread returns None"),
        ([[0]], "got list"),
        (IMAGE[:, :, 0], r"\(90, 120\)"),
        (IMAGE.astype(np.float32), "float32"),
        (np.zeros((4, 4, 4), np.uint8), r"\(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
    ],
)
def test_wrong_images(engine: Engine, image: object, message: str) -> None:
    for call in (lambda: engine.start(image), lambda: engine.predict([], [], [], image)):
        with pytest.raises(IsegmError, match=message):
            call()


@pytest.mark.parametrize(
    ("x", "y", "label", "message"),
    [
        ([1, 2], [1], [1], "got 2, 1 and 1"),
        ([1], [1], [], "got 1, 1 and 0"),
        (1, [1], [1], "x_coord must be a list"),
        ([120], [5], [1], "90 rows .* 120 columns"),
        ([5], [90], [1], "outside"),
        ([-0.5], [5], [1], "outside"),
        ([float("nan")], [5], [1], "two numbers"),
        (["5"], [5], [1], "two numbers"),
        ([5], [5], [2], "label must be"),
        ([5], [5], [-1], "label must be"),
        ([5], [5], ["1"], "label must be"),
        ([5], [5], [None], "label must be"),
    ],
)
def test_wrong_clicks(engine: Engine, x: list, y: list, label: list, message: str) -> None:
    with pytest.raises(IsegmError, match=message):
        engine.predict(x, y, label, IMAGE)


def test_wrong_single_clicks(engine: Engine) -> None:
    session = engine.start(IMAGE)
    with pytest.raises(IsegmError, match="outside"):
        engine.click(session, 100, 5, True)
    with pytest.raises(IsegmError, match="label must be"):
        engine.click(session, 5, 5, 3)
    with pytest.raises(IsegmError, match=r"Engine\.start"):
        engine.click(IMAGE, 5, 5, True)


def test_wrong_settings(
    engine: Engine, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config.yml").write_text(f"WEIGHTS_PATH: {checkpoint.parent}\nEXPS_PATH: nowhere\n")
    monkeypatch.chdir(tmp_path)
    assert Engine("model", device="cpu").predict([], [], [], IMAGE).shape == (90, 120)
    with pytest.raises(IsegmError, match="did you mean model"):
        Engine("modl")
    with pytest.raises(IsegmError, match="did you mean NoBRS"):
        Engine(checkpoint, "noBRS")
    with pytest.raises(IsegmError, match="did you mean ritm"):
        Engine(checkpoint, protocol="ritn")
    for device in ("gpu", "cuda:99"):
        with pytest.raises(IsegmError, match=f"device '{device}' cannot be used"):
            Engine(checkpoint, device=device)
    with pytest.raises(IsegmError, match="did you mean RGB or BGR"):
        engine.start(IMAGE, channels="BRG")
    for threshold in (1.5, -0.1, "0.5", None):
        with pytest.raises(IsegmError, match="threshold"):
            engine.predict([], [], [], IMAGE, threshold)
