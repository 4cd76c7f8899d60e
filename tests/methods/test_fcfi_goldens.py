"""FCFI against the original: keys, sizes, answers, feedback, losses and sessions under generated
weights.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from golden_heads import (
    CLICKS,
    SESSION,
    fingerprint,
    generator,
    golden_array,
    golden_clicks,
    golden_image,
    golden_tensor,
)
from torch import Tensor

from isegm.core.boxes import Box
from isegm.core.registry import build
from isegm.core.rounds import Prediction, Round
from isegm.inference.protocol import load_protocol
from isegm.inference.speed import for_evaluation
from isegm.methods.fcfi import FCFI, fcfi_hrnet18, fcfi_r101, h18s, new_clicks, newest_click
from isegm.nn.losses.feedback import FeedbackLoss
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.originals.fcfi import publish
from isegm.originals.loading import load_model, save_published

SPECS = {"r101": fcfi_r101, "h18": fcfi_hrnet18}
# keys, parameters, sha256 (its beginning) of the sorted lines "key<tab>shape" of the original
SIZES = {
    "r101": (781, 58_540_599, "d2b504e1e1120355"),
    "h18": (1961, 10_156_998, "52f067393e2687bd"),
}
PARTS = {
    "r101": {
        "fusion": 9_329,
        "backbone": 42_623_936,
        "head.aspp": 15_535_104,
        "head.skip": 8_256,
        "head.decoder": 210_976,
        "head.classify": 53_249,
        "feedback.correction": 78_432,
        "feedback.collaboration": 21_317,
    },
    "h18": {
        "fusion": 9_345,
        "backbone": 9_562_260,
        "head.reduce": 233_568,
        "head.classify": 97,
        "head.aux": 73_981,
        "feedback.correction": 169_600,
        "feedback.collaboration": 65_811,
    },
}
# mean, standard deviation, probes; (network, gate) and what of its answer
ANSWERS = {
    ("r101", 0, "logits"): [3.640312, 1.342713, 0.67533, 5.19782, 1.66859, 4.23281, 0.00887],
    ("r101", 1, "logits"): [3.634244, 1.345281, 0.67533, 5.19782, 1.66859, 4.23281, 0.00887],
    ("r101", 1, "feedback1 hard"): [
        0.556634,
        0.198004,
        0.36193,
        0.45187,
        0.21592,
        0.35496,
        0.62258,
    ],
    ("r101", 1, "feedback1 soft"): [
        0.555942,
        0.194257,
        0.36193,
        0.45188,
        0.21592,
        0.35496,
        0.62258,
    ],
    ("r101", 1, "feedback2"): [0.371772, 0.134914, 0.66512, 0.26959, 0.59105, 0.24910, 0.13393],
    ("h18", 0, "logits"): [-0.138806, 0.045129, -0.29836, -0.13999, -0.16599, -0.09589, -0.18176],
    ("h18", 1, "logits"): [-0.546843, 0.123160, -0.25978, -0.64726, -0.41870, -0.63767, -0.14221],
    ("h18", 1, "first_guess"): [
        -1.815379,
        0.461810,
        -0.28032,
        -2.11888,
        -0.82680,
        -1.88331,
        -1.96660,
    ],
    ("h18", 1, "feedback1 hard"): [0.559417, 0.199765, 0.36193, 0.52663, 0.21656, 0.40841, 0.62258],
    ("h18", 1, "feedback1 soft"): [0.558605, 0.195488, 0.36193, 0.52663, 0.21656, 0.40841, 0.62258],
    ("h18", 1, "feedback2"): [0.145480, 0.129330, 0.31656, 0.19934, 0.60610, 0.08467, 0.00038],
}
SESSION_PROBS = [
    (0.461760, 0.008968),
    (0.366286, 0.021771),
    (0.366278, 0.021773),
    (0.366277, 0.021774),
]
SESSION_FEEDBACK = [1656, 908, 908, 908]  # pixels of the second feedback above 0.5


@functools.cache
def golden_state(name: str) -> dict[str, Tensor]:
    """A state dict in the published layout."""

    def gain(key: str) -> float:
        trunk = (
            key.startswith("feature_extractor.")
            and "correction_module" not in key
            and "fusion_module" not in key
        )
        return 1.0 if name == "r101" else 0.6 if trunk else 1.4

    with torch.device("meta"):
        model = build(SPECS[name]())
    named = publish(SPECS[name]()).keys.to_published(model.state_dict())
    return {key: golden_tensor(key, tuple(value.shape), gain) for key, value in named.items()}


@functools.cache
def golden_model(name: str) -> FCFI:
    """A model with golden weights; it is shared, so leave it as it is."""
    model = build(SPECS[name]())
    model.load_state_dict(publish(SPECS[name]()).keys.to_ours(golden_state(name)))
    return model.eval()


@functools.cache
@torch.no_grad()
def answered(name: str, gate: int, soft: bool) -> Prediction:
    """The answer to three clicks of which the last, on the object at (70, 120), is new."""
    image, prev = golden_array("image", (1, 3, 128, 192)), golden_array("prev", (1, 1, 128, 192))
    round_ = Round(image, golden_clicks(), prev, state=torch.tensor([len(CLICKS) - 1]))
    clicks = newest_click(round_) if soft else new_clicks(round_)
    return golden_model(name).answer(round_, clicks, torch.tensor([float(gate)]), soft)


def near(found: list[float], golden: list[float], atol: float = 2e-4) -> bool:
    return all(abs(a - b) <= atol for a, b in zip(found, golden, strict=False))


class TestNetwork:
    @pytest.mark.parametrize("name", SIZES)
    def test_keys_shapes_and_sizes(self, name: str) -> None:
        lines = sorted(f"{key}\t{tuple(value.shape)}" for key, value in golden_state(name).items())
        with torch.device("meta"):
            parameters = sum(p.numel() for p in build(SPECS[name]()).parameters())
        assert (
            len(lines),
            parameters,
            hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16],
        ) == SIZES[name]

    @pytest.mark.parametrize("name", PARTS)
    def test_sizes_of_the_parts(self, name: str) -> None:
        with torch.device("meta"):
            model = build(SPECS[name]())
        found = {
            part: sum(p.numel() for p in model.get_submodule(part).parameters())
            for part in PARTS[name]
        }
        assert found == PARTS[name]

    @pytest.mark.parametrize("case", ANSWERS, ids=lambda case: "-".join(map(str, case)))
    def test_answers(self, case: tuple[str, int, str]) -> None:
        name, gate, what = case
        what, _, window = what.partition(" ")
        pred = answered(name, gate, window == "soft")
        found = pred.logits if what == "logits" else pred.aux[what]
        assert near(fingerprint(found), ANSWERS[case])

    def test_window(self) -> None:
        assert int((answered("h18", 1, True).aux["window"] == 1).sum()) == 1664

    @torch.no_grad()
    def test_without_feedback_resnet_does_not_see_the_previous_mask(self) -> None:
        image = golden_array("image", (1, 3, 64, 96))
        rounds = [
            Round(image, golden_clicks(), prev)
            for prev in (torch.zeros(1, 1, 64, 96), torch.rand(1, 1, 64, 96))
        ]
        for name, same in (("r101", True), ("h18", False)):
            model, gate = golden_model(name), torch.zeros(1)
            first, second = (
                model.answer(r, newest_click(r), gate, soft=True).logits for r in rounds
            )
            assert torch.equal(first, second) == same, name

    def test_the_name_of_the_authors(self) -> None:
        assert h18s() == fcfi_hrnet18()


class TestLosses:
    @staticmethod
    def drawn() -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits, probabilities, targets and a window."""
        shape = (2, 1, 32, 48)
        logits = torch.from_numpy(generator("logits").standard_normal(shape)).float()
        target, window = torch.zeros(shape), torch.zeros(shape)
        target[0, :, 5:20, 8:30], target[1, :, 10:30, 20:40], target[1, :, :3] = 1, 1, -1
        window[:, :, 4:18, 4:30], window[:, :, 3] = 1, 0.5
        return logits, torch.from_numpy(generator("probs").random(shape)).float(), target, window

    def test_values(self) -> None:
        logits, probs, target, window = self.drawn()
        assert near(NormalizedFocalLoss()(logits, target).tolist(), [0.594011, 0.584040], 1e-5)
        assert near(FeedbackLoss()(probs, target).tolist(), [0.488740, 0.476932], 1e-5)
        assert near(
            FeedbackLoss(0.2)(probs, target.masked_fill(window < 1, -1)).tolist(),
            [0.0719814, 0.096115],
            1e-5,
        )

    def test_the_method_judges_the_corrected_feedback_where_the_window_is_open(self) -> None:
        logits, probs, target, window = self.drawn()
        pred = Prediction(logits, {"feedback1": probs, "feedback2": probs, "window": window})
        for name, weight in (("r101", 1.0), ("h18", 0.2)):
            losses = golden_model(name).losses(pred, target, None)
            assert set(losses) == {"instance", "feedback1", "feedback2"}
            assert float(losses["instance"]) == pytest.approx((0.594011 + 0.584040) / 2, abs=1e-5)
            assert float(losses["feedback1"]) == pytest.approx(
                weight * (0.359907 + 0.480575) / 2, abs=1e-5
            )
            assert float(losses["feedback2"]) == pytest.approx(
                weight * (0.488740 + 0.476932) / 2, abs=1e-5
            )

    def test_a_single_sigmoid_is_the_loss_of_the_logits(self) -> None:
        logits, _, target, _ = self.drawn()
        single = FeedbackLoss(double_sigmoid=False)(logits.sigmoid(), target)
        assert torch.allclose(single, NormalizedFocalLoss()(logits, target), atol=1e-5)
        assert (
            FeedbackLoss(double_sigmoid=False)(
                torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([[[[0.0, 1.0]]]])
            )
            < 1e-5
        )

    @pytest.mark.parametrize(
        ("name", "slow"),
        [("r101", {"backbone"}), ("h18", {"backbone", "feedback", "head.aux", "head.classify"})],
    )
    def test_learning_rates(self, name: str, slow: set[str]) -> None:
        model = golden_model(name)
        found = {}
        for key, _ in model.named_parameters():
            part = (
                key.split(".")[0] if not key.startswith("head.") else ".".join(key.split(".")[:2])
            )
            found.setdefault(part, set()).add(model.lr_multiplier(key))
        assert found == {part: {0.1 if part in slow else 1.0} for part in found}


class TestSession:
    @pytest.mark.parametrize("quick", [False, True])
    def test_clicks(self, quick: bool) -> None:
        """The next crop follows the second feedback; straight and folded networks alike."""
        protocol = load_protocol("fcfi_hrnet18")
        protocol = replace(protocol, view={**protocol.view, "size": 256, "expansion": 1.4})
        model = golden_model("h18")
        predictor = protocol.predictor(for_evaluation(model) if quick else model)
        session = predictor.start(golden_image())
        for index, (click, golden) in enumerate(zip(SESSION, SESSION_PROBS, strict=True)):
            session = predictor.click(session, click)
            assert near(fingerprint(session.prob)[:2], list(golden))
            assert int((session.followed > 0.5).sum()) == SESSION_FEEDBACK[index]
            if index == 1:
                assert session.view == Box(0, 0, 240, 320)


class TestCheckpoints:
    @pytest.mark.parametrize("name", SPECS)
    def test_published_files_load_strictly_and_can_be_written_again(
        self, tmp_path: Path, name: str
    ) -> None:
        state, layout = golden_state(name), publish(SPECS[name]())
        torch.save({"state_dict": state, "config": layout.config}, tmp_path / "fcfi.pth")
        loaded = load_model(tmp_path / "fcfi.pth")
        assert loaded.source == "FCFI (published)"
        assert loaded.report.complete
        assert loaded.spec["args"] == SPECS[name]()["args"]
        assert loaded.model.protocol == {"r101": "fcfi_r101", "h18": "fcfi_hrnet18"}[name]
        save_published(tmp_path / "again.pth", loaded)
        again = torch.load(tmp_path / "again.pth", weights_only=True)
        assert again["config"] == layout.config
        assert again["state_dict"].keys() == state.keys()
        assert all(torch.equal(again["state_dict"][key], state[key]) for key in state)
