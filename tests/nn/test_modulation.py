"""MFP's modulation: its defining properties, and values recorded with the original function."""

from __future__ import annotations

import math

import pytest
import torch

from isegm.core.clicks import Click, Clicks
from isegm.nn.modulation import modulated


def ramp(height: int = 60, width: int = 80) -> torch.Tensor:
    """``1 1 H W``: probabilities from 0.05 to 0.95 from left to right."""
    return torch.linspace(0.05, 0.95, width).expand(1, 1, height, width).clone()


def changed(prob: torch.Tensor, *clicks: Click) -> torch.Tensor:
    return modulated(prob, Clicks.of(clicks))[0, 0]


def test_the_clicked_pixel_becomes_certain() -> None:
    assert changed(ramp(), Click(30, 20, True))[30, 20] == 1
    assert changed(ramp(), Click(30, 60, False))[30, 60] == 0


def test_pixels_of_the_clicked_probability_become_nearly_certain() -> None:
    """The column of the click has its probability, which the full gamma takes to 0.99 or 0.01."""
    column = changed(ramp(), Click(30, 20, True))[:, 20]
    assert column[10].item() == pytest.approx(0.99, abs=1e-5)
    column = changed(ramp(), Click(30, 60, False))[:, 60]
    assert column[10].item() == pytest.approx(0.01, abs=1e-5)


def test_a_positive_click_raises_and_a_negative_one_lowers() -> None:
    prob = ramp()
    assert (changed(prob, Click(30, 20, True)) >= prob[0, 0] - 1e-6).all()
    assert (changed(prob, Click(30, 60, False)) <= prob[0, 0] + 1e-6).all()


def test_the_window_is_half_the_distance_to_the_other_sign() -> None:
    prob = ramp()
    result = changed(prob, Click(30, 70, False), Click(30, 20, True))
    moved = (result - prob[0, 0]).abs() > 1e-6
    y, x = torch.nonzero(moved).T
    apart = torch.sqrt((y - 30.0) ** 2 + (x - 20.0) ** 2)
    assert apart.max() <= 25
    assert apart.max() > 20


def test_without_the_other_sign_it_reaches_a_hundred_pixels() -> None:
    prob = torch.full((1, 1, 300, 10), 0.4)
    prob[..., ::2] = 0.6
    moved = (changed(prob, Click(150, 4, True)) - prob[0, 0]).abs() > 1e-6
    rows = torch.nonzero(moved.any(1)).flatten()
    assert (int(rows.min()), int(rows.max())) == (50, 250)


def test_a_near_click_of_the_other_sign_keeps_its_surroundings() -> None:
    prob = ramp()
    result = changed(prob, Click(30, 26, False), Click(30, 20, True))
    assert torch.equal(result[30, 21:33], prob[0, 0, 30, 21:33])
    assert result[30, 18] > prob[0, 0, 30, 18]


def test_after_the_early_clicks_gamma_fades_with_the_distance() -> None:
    prob = torch.full((1, 1, 60, 80), 0.25)
    clicks = [Click(5, 5 + i, True) for i in range(7)] + [Click(30, 40, True)]
    result = changed(prob, *clicks)
    gamma = 1 / (math.log(0.99) / math.log(0.25))
    for gap in (1, 10, 29):
        exponent = gamma * (1 - gap / 100) + gap / 100
        expected = 0.25 ** (1 / exponent)
        assert result[30 + gap, 40].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("here", "positive"), [(0.0, True), (1.0, False)])
def test_where_no_gamma_helps_a_cone_does(here: float, positive: bool) -> None:
    prob = torch.full((1, 1, 60, 80), here)
    result = changed(prob, Click(30, 40, positive))
    farthest = math.hypot(30, 40)
    assert result[30, 40] == (1 if positive else 0)
    cone = math.hypot(10, 0) / farthest
    assert result[40, 40].item() == pytest.approx(1 - cone if positive else cone, abs=1e-5)


def test_constant_maps_give_numbers() -> None:
    result = changed(torch.full((1, 1, 40, 40), 0.3), Click(20, 20, True))
    assert result[5, 5].item() == pytest.approx(0.99, abs=1e-5)
    tiny = torch.full((1, 1, 40, 40), 1e-30)
    assert changed(tiny, Click(20, 20, True)).isfinite().all()


def test_what_leaves_a_map_as_it_is() -> None:
    prob = ramp()
    assert torch.equal(changed(prob), prob[0, 0])
    for y, x in ((-1, 5), (60, 5), (5, 80)):
        assert torch.equal(changed(prob, Click(y, x, True)), prob[0, 0])


def test_samples_do_not_touch_each_other() -> None:
    prob = torch.cat([ramp(), ramp().flip(-1)])
    rows = [[Click(30, 20, True)], [Click(10, 10, False), Click(40, 60, True)]]
    together = modulated(prob, Clicks.cat([Clicks.of(row) for row in rows]))
    alone = [modulated(prob[i : i + 1], Clicks.of(row)) for i, row in enumerate(rows)]
    assert torch.equal(together, torch.cat(alone))


def test_nothing_is_changed_in_place_and_no_gradient_passes() -> None:
    prob = ramp().requires_grad_()
    before = prob.detach().clone()
    assert not modulated(prob, Clicks.of([Click(30, 20, True)])).requires_grad
    assert torch.equal(prob.detach(), before)


# Sum of the map and its value at [10, 10], [30, 40] and [50, 70], for ``ramp()``.
PLACES = ((10, 10), (30, 40), (50, 70))
RECORDED = {
    "first": ([Click(30, 20, True)], (3820.6313, 0.96726692, 0.50569624, 0.84746838)),
    "between pixels": (
        [Click(31.4, 60.6, False)],
        (1319.51, 0.16392404, 0.50569624, 0.3219552),
    ),
    "opposite": (
        [Click(30, 70, False), Click(28, 22, True)],
        (2942.8981, 0.16392404, 0.50569624, 0.84746838),
    ),
    "near": (
        [Click(30, 26, False), Click(20, 30, False), Click(30, 20, True)],
        (2474.4397, 0.16392404, 0.50569624, 0.84746838),
    ),
    "late": (
        [*(Click(5, 5 + i, True) for i in range(8)), Click(30, 40, False)],
        (2065.5593, 0.16392404, 0.0, 0.84746838),
    ),
}


@pytest.mark.parametrize("name", RECORDED)
def test_values_of_the_original_function(name: str) -> None:
    clicks, expected = RECORDED[name]
    result = changed(ramp(), *clicks)
    found = [float(result.double().sum()), *(float(result[at]) for at in PLACES)]
    assert found == pytest.approx(expected, rel=1e-5)
