"""The function for CVAT's agents, called as an agent calls it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from labelers import MORE, OFF, ON, SIZE, after, answering, photo
from PIL import Image

from isegm.bridges.cvat_agent import FILE, CvatAgent, Interactor
from isegm.core.errors import IsegmError
from isegm.inference.chosen import choose
from isegm.inference.click_lists import ClickLists
from isegm.utils.config import load_config

masks = pytest.importorskip("cvat_sdk.masks")
driver = pytest.importorskip("cvat_cli._internal.agent_driver_interaction")


@dataclass(frozen=True)
class Prompts:
    pos_points: tuple = ()
    neg_points: tuple = ()
    bounding_box: tuple | None = None


class Agent:
    """What an agent's worker process does, with the code of cvat-cli."""

    def __init__(self, function: object) -> None:
        from cvat_cli._internal.agent_driver import set_worker_current_function

        set_worker_current_function(function)
        driver.AgentInteractionFunctionDriver.init_worker(None)

    def ask(self, frame: int, *points: tuple[tuple[int, int], bool]) -> np.ndarray:
        chosen = {
            sign: tuple((x + 0.5, y + 0.5) for (x, y), positive in points if positive == sign)
            for sign in (True, False)
        }
        prompts = Prompts(chosen[True], chosen[False])
        shapes = driver._worker_job_interact_from_cache((7, frame, ()), prompts)
        if shapes is None:
            image = Image.fromarray(photo() if frame == 0 else 255 - photo())
            shapes = driver._worker_job_interact((7, frame, ()), image, prompts)
        if not shapes:
            return np.zeros(SIZE, bool)
        (shape,) = shapes
        assert shape.type == "mask"
        return masks.decode_mask(shape.points, image_width=SIZE[1], image_height=SIZE[0])


@pytest.fixture
def agent() -> Agent:
    return Agent(Interactor(ClickLists(answering())))


def test_click_correct_undo_and_another_frame(agent: Agent) -> None:
    # The negative click comes before the second positive one, and takes nothing of it away.
    steps = [(ON, True), (OFF, False), (MORE, True)]
    for count in (1, 2, 3, 2):  # the last one: undo
        assert (agent.ask(0, *steps[:count]) == after(*steps[:count])).all()
    assert (agent.ask(1, (MORE, True)) == after((MORE, True))).all()
    assert (agent.ask(0, *steps) == after(*steps)).all()
    assert (agent.ask(0, *steps[1:]) == after(*steps[1:])).all()  # the first click is removed
    assert not agent.ask(0, (ON, False)).any()


def test_cvat_takes_the_spec() -> None:
    spec = Interactor(ClickLists(answering())).spec
    fields = driver.AgentInteractionFunctionDriver.get_remote_function_fields(spec)
    assert fields == {"min_pos_points": 1, "min_neg_points": 0}


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        (Prompts(pos_points=((500, 3),)), "outside the image"),
        (Prompts(pos_points=((1, 1),), neg_points=((-3, 3),)), "outside the image"),
        (Prompts(pos_points=((float("nan"), 3),)), "two numbers"),
        (Prompts(pos_points=(("1", 3),)), "two numbers"),
        (Prompts(pos_points=((1, 1),), bounding_box=((1, 1), (2, 2))), "not with a box"),
        (Prompts(pos_points=((1, 1),) * 201), "at most 200"),
    ],
)
def test_wrong_prompts_are_refused(prompts: Prompts, said: str) -> None:
    function = Interactor(ClickLists(answering()))
    with pytest.raises(IsegmError, match=said):
        function.detect(None, function.preprocess_image(None, Image.fromarray(photo())), prompts)


def test_huge_images_are_refused_before_they_are_decoded() -> None:
    class Huge:
        width, height = 10_000, 10_000

        def convert(self, mode: str) -> None:
            pytest.fail("decoded")

    with pytest.raises(IsegmError, match="10000 x 10000"):
        Interactor(ClickLists(answering())).preprocess_image(None, Huge())


def test_images_of_any_mode_are_seen_in_colour(agent: Agent) -> None:
    function = Interactor(ClickLists(answering()))
    for mode in ("L", "RGBA", "P", "CMYK", "I;16", "1"):
        image = Image.new(mode, (20, 10))
        assert function.preprocess_image(None, image).shape == (10, 20, 3)


def test_the_written_file_is_loaded_by_cvats_command_line(tmp_path: Path) -> None:
    from cvat_cli._internal.common import FunctionLoader

    chosen = choose(load_config(), "starter", "cpu")
    said = CvatAgent().write(tmp_path, chosen, argparse.Namespace(protocol=None))
    file = tmp_path / FILE
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert said.count(f"--function-file {file}") == 2
    function = FunctionLoader(None, file, {"protocol": "starter"}).load()
    square = np.full((160, 200, 3), (50, 110, 60), np.uint8)
    square[40:120, 60:140] = (230, 140, 30)
    truth = (square == (230, 140, 30)).all(2)
    shown = function.preprocess_image(None, Image.fromarray(square))
    (shape,) = function.detect(None, shown, Prompts(((100, 80),)))
    mask = masks.decode_mask(shape.points, image_width=200, image_height=160)
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8
