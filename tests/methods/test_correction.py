"""EMC-Click's correction network: templates, and networks that cannot be built."""

from __future__ import annotations

import math

import pytest
import torch
from golden_heads import CLICKS, golden_array, golden_clicks

from isegm.core.clicks import Click, Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.core.rounds import Round
from isegm.methods.emc_click import emc_hrnet, tiny
from isegm.nn.heads.correction import CorrectionNet, clicked_cells, relative_distances, templates


class TestTemplates:
    def test_rounding(self) -> None:
        rows = {0: 0, 1: 0, 2: 0, 3: 1, 5: 1, 6: 2, 10: 2, 11: 3, 14: 4, 39: 9, 60: 9, -5: 0}
        clicks = Clicks.of([Click(y, 0, True) for y in rows])
        assert (clicked_cells(clicks, (10, 7)) // 7)[0].tolist() == list(rows.values())

    def test_distances(self) -> None:
        clicks = Clicks.of([Click(0, 0, True)])
        away = relative_distances(clicks, (30, 40), (30, 40)).view(2, 30, 40)
        assert float(away[0, 0, 0]) == 0
        assert float(away[0, 3, 4]) == pytest.approx(5 / 50)
        assert torch.allclose(away[1], torch.tensor(1 / 50)), (
            "without a click of a sign everything is one pixel away"
        )

    def test_distances_beyond_a_thousand_pixels_count_as_one(self) -> None:
        away = relative_distances(Clicks.of([Click(0, 0, True)]), (4, 1200), (4, 1200)).view(
            2, 4, 1200
        )
        assert float(away[0, 0, 999]) * math.hypot(4, 1200) == pytest.approx(999)
        assert float(away[0, 0, 1001]) * math.hypot(4, 1200) == pytest.approx(1)

    def test_scores(self) -> None:
        """Features in four directions: the clicked ones decide, and distance among equals."""
        pixels = torch.zeros(1, 4, 4, 4)
        for column in range(4):
            pixels[0, column, :, column] = 1
        clicks = Clicks.of([Click(0, 0, True), Click(0, 12, False)])
        found = templates(pixels, clicks, (16, 16), 16)
        away = relative_distances(clicks, (16, 16), (4, 4))[0]
        like = (
            [float(cell % 4 == 0) for cell in range(16)],
            [float(cell % 4 == 3) for cell in range(16)],
        )
        for kind in (0, 1):
            scores = [
                (like[kind][c] + 1 - like[1 - kind][c]) * (1 - float(away[kind, c]))
                for c in range(16)
            ]
            assert [scores[c] for c in found[0, kind]] == sorted(scores, reverse=True)
            assert found[0, kind, :3].tolist() == [[0, 4, 8], [3, 7, 11]][kind]
        only = templates(pixels, clicks.first(1), (16, 16), 16)
        assert only[0, 0, :3].tolist() == [0, 4, 8]
        assert set(only[0, 1, 12:].tolist()) == {0, 4, 8, 12}, (
            "least like the background is what was clicked as object"
        )

    def test_no_gradient_goes_through_the_choice_or_the_mask(self) -> None:
        model = tiny().train()
        rows = [
            golden_array("image", (2, 3, 64, 64)),
            golden_clicks([CLICKS[:1]] * 2),
            torch.zeros(2, 1, 64, 64),
        ]
        model(Round(*rows)).logits.sum().backward()
        assert model.head.classify.weight.grad is None
        assert model.backbone.conv1.weight.grad.any(), (
            "the base learns from the correction through its features"
        )


class TestMistakes:
    def test_width(self) -> None:
        with pytest.raises(IsegmError, match="multiple of 4"):
            CorrectionNet(32, 30)

    def test_refiner(self) -> None:
        made = emc_hrnet(8, "tiny", 16, 16)
        made["args"]["refiner"]["args"]["in_channels"] = 7
        with pytest.raises(IsegmError, match=r"refiner\.in_channels is 7, but the head makes 32"):
            build(made)

    def test_fusion(self) -> None:
        made = emc_hrnet(8, "tiny", 16, 16)
        made["args"]["fusion"]["args"]["in_channels"] = 3
        with pytest.raises(IsegmError, match="single map"):
            build(made)
