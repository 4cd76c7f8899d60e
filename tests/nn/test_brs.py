"""What the search of f-BRS minimises: known values on answers one can write down."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from isegm.core.clicks import Click, Clicks
from isegm.core.rounds import Round
from isegm.inference.mirror import with_mirror
from isegm.nn.brs import BRSSettings, Objective, click_masks


def round_of(*clicks: Click, size: tuple[int, int] = (48, 64)) -> Round:
    image = torch.zeros(1, 3, *size)
    return Round(image, Clicks.of(clicks), image[:, :1])


class TestClickMasks:
    def masks(self, *clicks: Click) -> tuple[Tensor, Tensor]:
        wanted, unwanted = click_masks(round_of(*clicks))
        return wanted[0, 0], unwanted[0, 0]

    def test_every_click_is_a_square_of_three_pixels(self) -> None:
        wanted, unwanted = self.masks(Click(10, 20, True), Click(30, 40, False))
        assert wanted.sum() == unwanted.sum() == 9
        assert wanted[9:12, 19:22].all()
        assert unwanted[29:32, 39:42].all()

    @pytest.mark.parametrize(("y", "row"), [(10.4, 10), (10.5, 10), (11.5, 12), (10.6, 11)])
    def test_coordinates_are_rounded_half_to_even(self, y: float, row: int) -> None:
        assert self.masks(Click(y, 20, True))[0][row - 1 : row + 2, 19:22].sum() == 9

    @pytest.mark.parametrize(("y", "x"), [(0, 20), (10, 0), (0.5, 20), (-1, 20), (10, -2)])
    def test_a_click_in_the_first_row_or_column_is_lost(self, y: float, x: float) -> None:
        assert not self.masks(Click(y, x, True))[0].any()

    @pytest.mark.parametrize(
        ("y", "x", "left"), [(47, 20, 6), (10, 63, 6), (47, 63, 4), (1, 1, 9), (60, 20, 0)]
    )
    def test_the_far_border_cuts_it(self, y: float, x: float, left: int) -> None:
        assert self.masks(Click(y, x, True))[0].sum() == left

    def test_far_outside_it_wraps_to_the_opposite_border(self) -> None:
        assert self.masks(Click(10, -4, True))[0][9:12, 59:62].all()

    def test_the_mirror_image_has_its_own(self) -> None:
        wanted, _ = click_masks(with_mirror(round_of(Click(10, 20, True))))
        assert torch.equal(wanted[1], wanted[0].flip(-1))

    def test_reach(self) -> None:
        assert click_masks(round_of(Click(10, 20, True)), reach=2)[0].sum() == 25


class Line:
    """The logits are a plane of x[0] + x[1] * column; no penalty."""

    kept = ()

    def logits(self, x: Tensor) -> Tensor:
        return (x[0] + x[1] * torch.arange(8.0)).expand(1, 1, 8, 8)

    def penalty(self, x: Tensor) -> Tensor:
        return 0 * x.sum()


def squares(*clicks: Click) -> tuple[Tensor, Tensor]:
    return click_masks(round_of(*clicks, size=(8, 8)))


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


class TestObjective:
    def objective(self, *clicks: Click, **settings) -> Objective:
        return Objective(Line(), *squares(*clicks), BRSSettings(**settings))

    def test_value_is_the_mean_square_error_at_each_kind_of_click(self) -> None:
        value, gradient = self.objective(Click(2, 2, True), Click(5, 5, True), Click(2, 6, False))(
            np.array([logit(0.3), 0.0])
        )
        assert value == pytest.approx(0.7**2 + 0.3**2, rel=1e-5)
        slope = 0.3 * 0.7 * (2 * 0.3 - 2 * 0.7)
        assert gradient[0] == pytest.approx(slope, rel=1e-4)
        assert gradient.dtype == np.float64

    def test_a_kind_without_clicks_adds_nothing(self) -> None:
        assert self.objective(Click(2, 2, False))(np.array([logit(0.6), 0.0]))[0] == pytest.approx(
            0.36, rel=1e-5
        )

    def test_the_mirror_image_counts_too(self) -> None:
        image = torch.zeros(2, 3, 8, 8)
        round_ = Round(
            image,
            Clicks.cat([Clicks.of([Click(2, 2, True)]), Clicks.of([Click(2, 5, True)])]),
            image[:, :1],
        )

        class Two(Line):
            def logits(self, x: Tensor) -> Tensor:
                return torch.cat([super().logits(x), -super().logits(x)])

        value, _ = Objective(Two(), *click_masks(round_), BRSSettings())(
            np.array([logit(0.3), 0.0])
        )
        assert value == pytest.approx((0.7**2 + 0.3**2) / 2, rel=1e-5)

    def test_the_best_answer_is_kept_not_the_last(self) -> None:
        objective = self.objective(Click(2, 2, True))
        values = [objective(np.array([x, 0.0]))[0] for x in (-1.0, 0.0, -2.0)]
        assert objective.lowest == values[1] == min(values)
        assert objective.best.abs().max() == 0
        assert objective.evaluations == 3

    @pytest.mark.parametrize(
        ("wanted", "unwanted", "done"),
        [(0.5, 0.48, True), (0.5, 0.5, False), (0.48, 0.1, False), (0.9, 0.1, True)],
    )
    def test_the_search_ends_when_every_click_is_right(
        self, wanted: float, unwanted: float, done: bool
    ) -> None:
        class Halves(Line):
            def logits(self, x: Tensor) -> Tensor:
                return torch.cat([x[:1].expand(1, 1, 8, 4), x[1:].expand(1, 1, 8, 4)], -1)

        objective = Objective(
            Halves(), *squares(Click(4, 2, True), Click(4, 6, False)), BRSSettings()
        )
        _, gradient = objective(np.array([logit(wanted), logit(unwanted)]))
        assert (not gradient.any()) == done

    def test_the_search_ends_when_the_mask_stands_still(self) -> None:
        half = np.array([-3.5, 1.0])  # columns 4 and on
        objective = self.objective(Click(4, 2, True))
        assert objective(half)[1].any()
        assert not objective(half + 0.01)[1].any()
        assert objective(np.array([-2.5, 1.0]))[1].any()  # columns 3 and on: IoU 0.8
        patient = self.objective(Click(4, 2, True), min_change=0.3)
        patient(half)
        assert not patient(np.array([-2.5, 1.0]))[1].any()

    def test_empty_masks_do_not_end_the_search(self) -> None:
        objective = self.objective(Click(4, 2, True))
        assert objective(np.array([-1.0, 0.0]))[1].any()
        assert objective(np.array([-1.1, 0.0]))[1].any()

    def test_zero_minimal_change_never_ends_it(self) -> None:
        objective = self.objective(Click(4, 2, True), min_change=0.0)
        assert objective(np.array([-3.5, 1.0]))[1].any()
        assert objective(np.array([-3.5, 1.0]))[1].any()
