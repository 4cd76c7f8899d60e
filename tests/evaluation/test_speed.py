"""What a click costs: first and later clicks, second looks and evaluations are told apart."""

from __future__ import annotations

from typing import Any

import torch
from painted import Listed, Painted, painted

from isegm.core.rounds import Prediction, Round
from isegm.evaluation.speed import HOW, grid_latency, measure
from isegm.inference.modes import with_mode
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import load_protocol
from isegm.inference.views.whole_image import WholeImage
from isegm.methods import emc_click, focalclick, ritm
from isegm.methods.base import ClickModel


def figures_of(model: ClickModel, protocol: str) -> dict[str, Any]:
    torch.manual_seed(0)
    size = (160, 200)
    found = measure(
        model.eval(),
        load_protocol(protocol).changed(max_clicks=2),
        Listed([painted(0)]),
        size=size,
        repeats=2,
    )
    assert not {"infer", "refine", "refine_many"} & set(vars(model)), (
        "nothing is written on the model"
    )
    assert set(found) <= set(HOW) | {"first_click", "later_click"}
    assert found["evaluation"]["clicks"] == 2
    for kind in ("first_click", "later_click"):
        assert found[kind]["gflops"] > 0
        assert 0 < found[kind]["ms_p50"] <= found[kind]["ms_p95"]
    return found


def test_a_plain_network() -> None:
    model = ritm.tiny()
    found = figures_of(model, "ritm")
    assert found["parameters"] == sum(p.numel() for p in model.parameters())
    assert not {"second_look", "evaluations"} & set(found["later_click"])


def test_a_second_look_is_part_of_the_click_and_counted_apart() -> None:
    found = figures_of(focalclick.tiny(), "focalclick")["later_click"]
    assert 0 < found["second_look"]["gflops"] < found["gflops"]
    assert 0 < found["second_look"]["ms_p50"] < found["ms_p50"]


def test_a_later_click_of_emc_click_spares_the_base() -> None:
    found = figures_of(emc_click.tiny(), "emc_click")
    assert found["later_click"]["gflops"] < found["first_click"]["gflops"]


def test_an_optimisation_reports_its_evaluations() -> None:
    model, _ = with_mode(ritm.tiny().eval(), "f-BRS-B")
    found = figures_of(model, "ritm")
    assert found["later_click"]["evaluations"] >= 1
    assert "evaluations" in found["evaluation"]


def test_a_grid_is_one_first_click_per_cell() -> None:
    class Noting(Painted):
        def __init__(self) -> None:
            super().__init__(wait=0)
            self.seen: list[tuple[float, ...]] = []

        def forward(self, round_: Round) -> Prediction:
            assert round_.clicks.label.shape == (1, 1)  # every prompt in a session of its own
            self.seen.append(tuple(round_.clicks.yx[0, 0].tolist()))
            return super().forward(round_)

    model = Noting()
    found = grid_latency(Predictor(model, WholeImage()), (40, 80), 2)
    points = [(10, 20), (10, 60), (30, 20), (30, 60)]  # the middles of cells of 20 x 40
    assert model.seen == [points[0], *points]  # the first once more, before the time starts
    assert found["side"] == 2
    assert found["ms_per_prompt"] == 1000 * found["seconds"] / 4 > 0
