"""FCFI's feedback: windows around clicks, and what corrections change."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isegm.nn.heads.feedback import (
    Corrections,
    FocusedCorrection,
    hard_window,
    soft_window,
    window_of,
)

SIZE = (64, 80)


class TestWindow:
    @pytest.mark.parametrize(
        ("click", "box", "cell"),
        [
            ((100, 200), (13, 32, 37, 68), (25, 50)),
            ((10, 20), (0, 0, 15, 23), (2, 5)),
            ((-1, -1), (0, 0, 12, 18), (0, 0)),
            ((319, 479), (67, 101, 80, 120), (79, 119)),
            ((100.9, 200.9), (13, 32, 37, 68), (25, 50)),
        ],
    )
    def test_place(
        self, click: tuple[float, float], box: tuple[int, ...], cell: tuple[int, int]
    ) -> None:
        """320 x 480 pixels, 80 x 120 cells, windows of 0.3."""
        correction = FocusedCorrection(4, 8, 0.3, adaptive=False)
        half = correction.half_extents(torch.zeros(1, 1, 320, 480))
        found = window_of(torch.tensor([click], dtype=torch.float64), half, (320, 480), (80, 120))
        assert tuple(found[0][0].tolist()) == box
        assert tuple(found[1][0].tolist()) == cell

    def test_a_click_far_outside_corrects_nothing(self) -> None:
        half = torch.tensor([[48.0, 72.0]])
        box, cell = window_of(
            torch.tensor([[-100.0, 900.0]], dtype=torch.float64), half, (320, 480), (80, 120)
        )
        assert cell.tolist() == [[0, 119]]
        assert not hard_window(box, (80, 120)).any()
        assert soft_window(box, (80, 120)).max() < 0.5

    def test_edges(self) -> None:
        box = torch.tensor([[0, 10, 12, 40]])
        soft, hard = soft_window(box, (30, 50))[0, 0], hard_window(box, (30, 50))[0, 0]
        assert float(soft[0, 10]) == pytest.approx(0.25)
        assert float(soft[5, 10]) == pytest.approx(0.5)
        assert float(soft[5, 11]) == pytest.approx(0.999955, abs=1e-6)
        assert (soft[2:11, 12:39] == 1).all()
        assert int((soft == 1).sum()) == 9 * 27
        assert int(hard.sum()) == 12 * 30
        assert (hard[:12, 10:40] == 1).all()

    def test_adaptive_windows_are_those_of_each_sample(self) -> None:
        feedback = torch.zeros(3, 1, 320, 480)
        feedback[0, :, 10:31, 100:141] = 0.9  # spans of 20 and 40
        feedback[1, :, 5, 5] = 0.9  # a single pixel spans nothing
        plain, adaptive = (
            FocusedCorrection(4, 8, 0.3, adaptive=a).half_extents(feedback) for a in (False, True)
        )
        assert plain.tolist() == [[48, 72]] * 3
        assert adaptive.tolist() == [[8, 15], [48, 72], [48, 72]]


class TestCorrection:
    @staticmethod
    def corrected(clicks: list[tuple[float, float, float]], soft: bool) -> tuple[Tensor, Tensor]:
        """What becomes of a feedback of 0.5 whose features are all alike, so that similarity is 1
        everywhere.
        """
        torch.manual_seed(0)
        correction = FocusedCorrection(3 + 2 + 1 + 4, 8, 0.3, adaptive=False).eval()
        correction.similarity = lambda shown, cell: torch.ones(len(shown), 1, *shown.shape[-2:])
        given = torch.tensor([clicks])
        made = Corrections(
            given[..., :2].double(), given[..., 2], torch.ones(1, len(clicks), dtype=torch.bool)
        )
        shown = torch.zeros(1, 3, *SIZE), torch.zeros(1, 2, *SIZE)
        return correction(
            torch.zeros(1, 4, 16, 20), shown, torch.full((1, 1, *SIZE), 0.5), made, soft
        )

    def test_alike_places_in_the_window_take_the_label(self) -> None:
        for label in (0.0, 1.0, 0.25):
            corrected, window = self.corrected([(32, 40, label)], soft=False)
            assert (corrected[window == 1] == label).all()
            assert torch.allclose(corrected[window == 0], torch.tensor(0.5))
            assert 0 < int(window.sum()) < window.numel()

    def test_the_oldest_of_several_clicks_has_the_last_word(self) -> None:
        corrected, window = self.corrected([(32, 40, 1.0), (32, 44, 0.0)], soft=False)
        assert corrected[0, 0, 8, 10] == 1
        assert corrected[0, 0, 8, 13] == 0  # only the newer one reaches it
        assert window[0, 0, 8, 13] == 1  # the window told of is that of the newest
