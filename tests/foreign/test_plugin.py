"""A stranger's model in a file: the page's example, and what goes wrong."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.foreign.names import parsed
from isegm.foreign.opening import opened
from isegm.inference.engine import Engine
from isegm.inference.protocol import protocol_for
from isegm.utils.config import REPOSITORY

PAGE = REPOSITORY / "docs/how-to/foreign.md"
FILE = re.compile(r"<!-- file: (\S+) -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GOOD = "def start(image):\n    return image.shape\n"


def written(folder: Path, code: str) -> str:
    path = folder / "model.py"
    path.write_text(code)
    return f"plugin:{path}"


def answering(folder: Path, prob: str) -> str:
    """A plugin whose click returns this expression as prob; ``state`` is the image's shape."""
    code = (
        f"import numpy as np\n{GOOD}\ndef click(state, y, x, positive):\n    return {prob}, state\n"
    )
    return written(folder, code)


@pytest.fixture
def example(tmp_path: Path) -> str:
    name, code = FILE.findall(PAGE.read_text())[0]
    assert len(code.splitlines()) <= 17
    (tmp_path / name).write_text(code)
    return f"plugin:{tmp_path / name}"


def test_the_example_of_the_page(example: str) -> None:
    engine = Engine(example, device="cpu")
    image = np.zeros((40, 50, 3), np.uint8)
    image[10:30, 10:40] = 255, 0, 0
    session = engine.start(image, "RGB")
    one = engine.click(session, 20, 20, True)
    two = engine.click(one, 2, 2, False)
    assert (two.mask == (image[..., 0] > 0)).all()
    np.testing.assert_array_equal(engine.click(one, 2, 2, False).prob, two.prob)  # undo
    assert engine.protocol.label == "whole_image v1"


def test_probabilities_arrive_as_they_are(tmp_path: Path) -> None:
    prob = "np.linspace(0, 1, state[0] * state[1]).reshape(state[:2])"
    engine = Engine(answering(tmp_path, prob), device="cpu")
    session = engine.click(engine.start(np.zeros((30, 40, 3), np.uint8)), 3, 3, True)
    expected = np.linspace(0, 1, 1200).reshape(30, 40)
    np.testing.assert_allclose(session.prob, expected, atol=1e-6)


WRONG = {
    "np.zeros((3, 4))": r"click returned a prob of shape \(3, 4\) for an image of 48 rows and 64",
    "np.zeros((1, *state[:2]))": r"shape \(1, 48, 64\).*expected \(48, 64\)",
    "np.full(state[:2], np.nan)": r"3072 NaN; expected numbers from 0 to 1",
    "np.full(state[:2], 255.0)": r"from 255 to 255; expected 0 to 1: apply a sigmoid",
    "np.full(state[:2], -0.5)": r"from -0\.5 to -0\.5",
    "'mask'": r"returned str as prob",
    "None": r"prob",
    "1 / 0": r"click raised ZeroDivisionError: division by zero \(model\.py, line \d+\)",
    "np.random.default_rng().random(state[:2])": r"answered differently.*fixed seed",
}


@pytest.mark.parametrize("prob", WRONG)
def test_wrong_answers(prob: str, tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match=WRONG[prob]) as caught:
        Engine(answering(tmp_path, prob), device="cpu")
    assert "\n" not in str(caught.value)
    assert "model.py" in str(caught.value)


FILES = {
    "": r"has no function start; expected start\(image\) -> state and click",
    GOOD: r"has no function click",
    GOOD + "def click(state, y):\n    pass\n": r"click\(state, y\) does not take the arguments of",
    GOOD + "def click(state, y, x, positive):\n    return 3\n": r"returned int; expected a pair",
    "def start(image): return image[99999]\ndef click(state, y, x, positive): pass\n": (
        r"start raised IndexError.*line 1"
    ),
    "def start(image):\n    image[:] = 0\ndef click(state, y, x, positive): pass\n": (
        r"start raised ValueError.*read-only"
    ),
    "import nothing_of_that_name": r"cannot be imported: ModuleNotFoundError.*line 1",
    "def start(image:": r"cannot be imported: SyntaxError",
}


@pytest.mark.parametrize("code", FILES)
def test_files_that_are_no_plugin(code: str, tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match=FILES[code]):
        Engine(written(tmp_path, code), device="cpu")


def test_a_missing_file_and_settings(tmp_path: Path, example: str) -> None:
    with pytest.raises(IsegmError, match=r"there is no such file; expected a \.py with start"):
        Engine(f"plugin:{tmp_path}/nothing.py", device="cpu")
    with pytest.raises(IsegmError, match="takes no settings, got radius"):
        Engine(f"{example},radius=3", device="cpu")
    with pytest.raises(IsegmError, match=r"names no model; expected e\.g\. plugin:my_model\.py"):
        Engine("plugin:", device="cpu")


IN_PLACE = """
import numpy as np
def start(image):
    return [np.zeros(image.shape[:2])]
def click(state, y, x, positive):
    state[0][int(y):, int(x):] += 0.25 if positive else 0.125
    return state[0].copy(), state
"""


def test_a_state_that_is_changed_in_place(tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match="click must not change the state it is given"):
        Engine(written(tmp_path, IN_PLACE), device="cpu")


MANY = """
import numpy as np
calls = []
def start(image):
    return image.shape[:2], 0
def click(state, y, x, positive):
    size, count = state
    return np.full(size, (1 + count) / (30 + y)), (size, count + 1)
def click_many(states, ys, xs, positives):
    calls.append(len(states))
    return [click(*each) for each in zip(states, ys, xs, positives)]
"""


def test_click_many_is_used_where_several_wait(tmp_path: Path) -> None:
    model = opened(parsed(written(tmp_path, MANY)), "cpu").model
    predictor = protocol_for(model).predictor(model, max_pixels=10**6)
    image = np.zeros((20, 30, 3), np.uint8)
    one = predictor.click(predictor.start(image), Click(4, 4, True))
    clicks = [Click(5, 5, True), Click(6, 6, False)]
    together = predictor.click_many([one, one], clicks)
    for answer, click in zip(together, clicks, strict=True):
        assert torch.equal(answer.prob, predictor.click(one, click).prob)
    calls = model.adapter._functions["click_many"].__globals__["calls"]
    assert calls == [2]


def test_click_many_that_returns_too_few(tmp_path: Path) -> None:
    code = MANY.replace("positives)]", "positives)][:1]")
    model = opened(parsed(written(tmp_path, code)), "cpu").model
    predictor = protocol_for(model).predictor(model, max_pixels=10**6)
    start = predictor.start(np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(IsegmError, match="returned list of 1 for 2 clicks; expected a list of as"):
        predictor.click_many([start, start], [Click(5, 5, True), Click(6, 6, False)])


def test_a_crop_starts_again_with_all_clicks(example: str) -> None:
    """Under zoom-in the view changes, and the model is shown the new one from the first click."""
    model = opened(parsed(example), "cpu").model
    predictor = protocol_for(model, "ritm").predictor(model)
    image = np.zeros((80, 90, 3), np.uint8)
    image[10:30, 10:40] = 255
    session = predictor.start(image)
    for click in (Click(20, 20, True), Click(50, 50, False), Click(15, 30, True)):
        session = predictor.click(session, click)
    assert session.prob[0, 0, 20, 20] > 0.5 > session.prob[0, 0, 60, 60]


def test_only_the_first_clicks_are_seen(example: str) -> None:
    model = opened(parsed(example), "cpu").model
    predictor = protocol_for(model).predictor(model, clicks_limit=1)
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    one = predictor.click(predictor.start(image), Click(4, 4, True))
    two = predictor.click(one, Click(9, 9, False))
    torch.testing.assert_close(two.prob, one.prob, atol=1e-6, rtol=0)
