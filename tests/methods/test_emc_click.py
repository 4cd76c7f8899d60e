"""EMC-Click against the original under generated weights, and its cache."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import pytest
import torch
from golden import published_shapes, unused_size
from golden_heads import (
    CLICKS,
    SESSION,
    fingerprint,
    golden_array,
    golden_clicks,
    golden_image,
    golden_tensor,
)
from torch import Tensor

from isegm.core.clicks import Click, Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build
from isegm.core.rounds import Round
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import load_protocol
from isegm.inference.sizes import with_crops
from isegm.inference.views.whole_image import WholeImage
from isegm.inference.views.zoom_in import ZoomIn
from isegm.methods.emc_click import EMCClick, EMCState, emc_hrnet, emc_segformer, tiny
from isegm.nn.heads import correction
from isegm.nn.heads.correction import templates
from isegm.nn.weights import load_strictly
from isegm.originals.emc_click import publish, recognise
from isegm.originals.loading import load_model, save_published

SPECS: dict[str, Spec] = {
    "hr18s": emc_hrnet(18, "small", 48, 64),
    "hr18": emc_hrnet(18, "full", 64, 96),
    "hr32": emc_hrnet(32, "full", 128, 96),
    "segb0": emc_segformer("b0"),
    "segb3": emc_segformer("b3"),
}
# parameters, keys with the three copies of one layer, parameters of the correction network
SIZES = {
    "hr18s": (4_322_416, 1122, 102_401),
    "hr18": (10_239_828, 2088, 207_841),
    "hr32": (31_171_460, 2088, 220_129),
    "segb0": (3_828_770, 391, 112_641),
    "segb3": (45_896_738, 787, 244_705),
}
# mean, standard deviation, probes: the base's answer, the answer to the first click, and to all
# three with features kept
ANSWERS = {
    "hr18s": (
        [-0.211136, 0.030415, -0.10808, -0.23551, -0.11971, -0.22983, -0.10056],
        [0.051679, 0.098768, -0.07933, 0.08483, -0.05027, 0.02311, -0.13660],
        [0.012753, 0.131934, -0.06360, 0.02374, -0.00659, -0.01837, -0.21290],
    ),
    "hr18": (
        [-0.709331, 0.106581, -0.28826, -0.79793, -0.43680, -0.74456, -0.51414],
        [-0.733791, 0.190630, -0.25057, -0.82490, -0.23624, -0.85189, -0.03794],
        [-0.900127, 0.247198, -0.32037, -0.96772, -0.44407, -0.96996, -0.05698],
    ),
    "hr32": (
        [-0.911722, 0.171614, -0.41116, -0.97904, -0.65470, -1.12172, -0.70469],
        [-1.346980, 0.317129, -0.27214, -1.57139, -0.35135, -1.72309, -0.11874],
        [-1.800628, 0.501257, -0.54113, -2.02869, -1.06689, -2.30499, 0.04635],
    ),
    "segb0": (
        [0.947302, 0.232336, 1.45056, 0.98915, 0.88638, 0.85684, 0.17458],
        [-0.103322, 0.166092, -0.08576, -0.18009, -0.03999, -0.13380, -0.50018],
        [-0.135844, 0.242646, -0.07738, -0.13473, -0.00588, -0.23995, -0.59737],
    ),
    "segb3": (
        [-0.223710, 0.214035, -0.56337, -0.33989, -0.23829, -0.31808, -0.25840],
        [-0.861511, 0.217131, -0.28779, -0.74683, -0.34424, -0.78336, 0.03274],
        [-0.918780, 0.216543, -0.29599, -0.84946, -0.39638, -1.02990, 0.07398],
    ),
}
# the first six templates of each kind when the second round of ANSWERS is played
TEMPLATES = {
    "hr18s": ([894, 502, 453, 599, 942, 310], [248, 199, 200, 297, 107, 249]),
    "segb0": ([502, 894, 599, 844, 457, 409], [248, 247, 200, 199, 295, 294]),
}
SESSION_ANSWERS = {
    "hr18s": [
        (0.519670, 0.014227),
        (0.514525, 0.016380),
        (0.510816, 0.016987),
        (0.510110, 0.017934),
    ],
    "segb0": [
        (0.499061, 0.030754),
        (0.498476, 0.025818),
        (0.491722, 0.034414),
        (0.496601, 0.032978),
    ],
}


def gain(key: str) -> float:
    slow = (
        key.startswith("feature_extractor.")
        and "correction_module" not in key
        and "fusion_module" not in key
    )
    return 0.6 if slow else 1.0


@functools.cache
def golden_state(name: str) -> dict[str, Tensor]:
    """A state dict in the published layout; the layer with three names holds the values of the last
    of them.
    """
    with torch.device("meta"):
        model = build(SPECS[name])
    named = published_shapes(publish(SPECS[name]), model.state_dict())
    gains = gain if name.startswith("hr") else lambda key: 1.0
    last = {
        key: key.replace("corr_conv.", "corr_conv_neg.").replace("corr_conv_pos.", "corr_conv_neg.")
        for key in named
    }
    return {key: golden_tensor(last[key], shape, gains) for key, shape in named.items()}


@functools.cache
def golden_model(name: str) -> EMCClick:
    """A model with golden weights; it is shared, so leave it as it is."""
    model, published = build(SPECS[name]), publish(SPECS[name])
    load_strictly(model, golden_state(name), "golden weights", published.keys, published.unused)
    return model.eval()


def golden_round(clicks: list[Click], state: EMCState | None = None) -> Round:
    image, prev = golden_array("image", (1, 3, 128, 192)), golden_array("prev", (1, 1, 128, 192))
    return Round(image, golden_clicks([clicks]), prev, state, fresh_view=state is None)


def near(found: list[float], golden: list[float], atol: float) -> bool:
    return all(abs(a - b) <= atol for a, b in zip(found, golden, strict=False))


class TestOriginal:
    @pytest.mark.parametrize("name", SIZES)
    def test_sizes(self, name: str) -> None:
        with torch.device("meta"):
            model = build(SPECS[name])
        counts = [sum(p.numel() for p in part.parameters()) for part in (model, model.refiner)]
        whole = counts[0] + unused_size(publish(SPECS[name]))
        assert (whole, len(golden_state(name)), counts[1]) == SIZES[name]

    @pytest.mark.parametrize("name", ANSWERS)
    @torch.no_grad()
    def test_answers(self, name: str) -> None:
        model, (base, first, second) = golden_model(name), ANSWERS[name]
        one = model(golden_round(CLICKS[:1]))
        assert near(fingerprint(one.aux["base"]), base, 2e-4)
        assert near(fingerprint(one.logits), first, 1e-3)
        two = model(golden_round(CLICKS, one.state))
        assert near(fingerprint(two.logits), second, 1e-3)
        assert not two.aux, "the base ran again"

    @pytest.mark.parametrize("name", TEMPLATES)
    @torch.no_grad()
    def test_templates_and_their_order(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        model, seen = golden_model(name), []

        def watched(*args: object) -> Tensor:
            seen.append(templates(*args))
            return seen[-1]

        monkeypatch.setattr(correction, "templates", watched)
        model(golden_round(CLICKS, model(golden_round(CLICKS[:1])).state))
        assert tuple(seen[-1][0, :, :6].tolist()) == TEMPLATES[name]
        assert seen[-1].shape == (1, 2, model.refiner.width)

    @pytest.mark.parametrize("name", SESSION_ANSWERS)
    def test_session(self, name: str) -> None:
        protocol = with_crops(load_protocol("emc_click"), infer_size=192)
        predictor = protocol.predictor(golden_model(name))
        session = predictor.start(golden_image())
        for click, golden in zip(SESSION, SESSION_ANSWERS[name], strict=True):
            session = predictor.click(session, click)
            assert near(fingerprint(session.prob), list(golden), 2e-4)
        assert session.view_size == (192, 256)
        assert session.state.logits.shape == (2, 1, 48, 64)

    @torch.no_grad()
    def test_losses(self) -> None:
        model = golden_model("hr18s")
        logits = golden_array("probs", (2, 1, 64, 96)) - 0.5
        round_ = Round(
            golden_array("image", (2, 3, 64, 96)),
            golden_clicks([CLICKS[:1]] * 2),
            torch.zeros(2, 1, 64, 96),
        )
        target = (golden_array("prev", (2, 1, 64, 96)) > 0.5).float()
        pred = model(round_)
        found = model.losses(dataclasses.replace(pred, logits=logits), target, round_)
        assert float(found["instance"]) == pytest.approx(float(model.focal(logits, target).mean()))
        assert float(found["base"]) == pytest.approx(
            float(model.focal(pred.aux["base"], target).mean())
        )
        assert float(found["aux"]) == pytest.approx(
            0.4 * float(model.bce(pred.aux["first_guess"], target).mean())
        )
        segformer = build(emc_segformer("tiny", 16, 16)).eval()
        assert set(segformer.losses(segformer(round_), target, round_)) == {"instance", "base"}

    def test_learning_rates(self) -> None:
        hrnet, segformer = tiny(), build(emc_segformer("tiny", 16, 16))
        for model, slow in (
            (hrnet, {"backbone", "head.aux", "head.classify"}),
            (segformer, {"backbone"}),
        ):
            for name, _ in model.named_parameters():
                assert model.lr_multiplier(name) == (
                    0.1 if name.startswith(tuple(slow)) else 1.0
                ), name


class TestBase:
    @torch.no_grad()
    def test_it_sees_neither_later_clicks_nor_the_previous_mask(self) -> None:
        model = golden_model("hr18s")
        round_ = golden_round(CLICKS[:1])
        more = dataclasses.replace(
            golden_round(CLICKS), prev_prob=torch.zeros_like(round_.prev_prob)
        )
        assert torch.equal(model(round_).aux["base"], model(more).aux["base"])
        assert not torch.equal(model(round_).logits, model(more).logits)

    @torch.no_grad()
    def test_it_sees_no_negative_click(self) -> None:
        model = golden_model("hr18s")
        negative = model(golden_round([CLICKS[1]])).aux["base"]
        assert torch.equal(negative, model(golden_round([])).aux["base"])
        assert torch.equal(negative, model(golden_round([CLICKS[1], CLICKS[0]])).aux["base"])

    @torch.no_grad()
    def test_it_sees_all_clicks_that_were_sampled(self) -> None:
        """Two merged objects have a click each."""
        model, round_ = golden_model("hr18s"), golden_round([CLICKS[0], CLICKS[2]])
        both = dataclasses.replace(round_, initial_clicks=2)
        assert not torch.equal(model(round_).aux["base"], model(both).aux["base"])


class Counting:
    """How often the backbone and the correction network ran."""

    def __init__(self, model: EMCClick) -> None:
        self.backbone = self.refiner = 0
        model.backbone.register_forward_hook(lambda *_: self._ran("backbone"))
        model.refiner.register_forward_hook(lambda *_: self._ran("refiner"))

    def _ran(self, part: str) -> None:
        setattr(self, part, getattr(self, part) + 1)


def played(predictor: Predictor, clicks: list[Click]) -> list:
    sessions = [predictor.start(golden_image())]
    for click in clicks:
        sessions.append(predictor.click(sessions[-1], click))
    return sessions


class TestCache:
    def test_later_clicks_run_the_correction_network_only(self) -> None:
        model = tiny()
        counted = Counting(model)
        predictor = load_protocol("emc_click").predictor(model)
        sessions = played(predictor, SESSION)
        assert (counted.backbone, counted.refiner) == (1, 4)
        predictor.click(sessions[2], SESSION[3])  # another branch: its features are in the session
        assert (counted.backbone, counted.refiner) == (1, 5)

    def test_features_are_kept_once_for_all_clicks_of_a_session(self) -> None:
        sessions = played(load_protocol("emc_click").predictor(tiny()), SESSION)
        assert len({session.state.context.data_ptr() for session in sessions[1:]}) == 1

    def test_undo_and_branches(self) -> None:
        predictor = with_crops(load_protocol("emc_click"), infer_size=96).predictor(
            golden_model("hr18s")
        )
        sessions = played(predictor, SESSION)
        kept = [dataclasses.astuple(session.state) for session in sessions[1:]]
        copies = [[value.clone() for value in state] for state in kept]
        other = predictor.click(sessions[1], Click(200, 300, False))
        predictor.click(other, Click(10, 10, True))
        again = predictor.click(predictor.click(sessions[1], SESSION[1]), SESSION[2])
        assert torch.equal(again.prob, sessions[3].prob)
        assert not torch.equal(other.prob, sessions[2].prob)
        for state, before in zip(kept, copies, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(state, before, strict=True))

    def test_a_view_that_moves_runs_the_base_again(self) -> None:
        model = tiny()
        counted = Counting(model)
        session = played(Predictor(model, WholeImage(size=96, multiple=4)), SESSION[:2])[-1]
        assert counted.backbone == 1
        elsewhere = Predictor(model, ZoomIn(skip_clicks=-1, size=(96, 128), threshold=0.0))
        moved = elsewhere.click(dataclasses.replace(session, prob=session.prob * 0), SESSION[2])
        assert counted.backbone == 1, "the same box at the same size"
        resized = Predictor(model, WholeImage(size=64, multiple=4)).click(session, SESSION[2])
        assert counted.backbone == 2, "the same box at another size"
        assert resized.state.logits.shape[-2:] == (16, 21)
        assert moved.state.logits.shape[-2:] == (24, 32)

    @torch.no_grad()
    def test_on_a_fresh_view_the_mask_is_the_previous_answer_there(self) -> None:
        model = golden_model("hr18s")
        state = model(golden_round(CLICKS[:1])).state
        round_ = dataclasses.replace(golden_round(CLICKS, state), fresh_view=True)
        other = dataclasses.replace(state, logits=state.logits + 1)
        assert torch.equal(
            model(round_).logits, model(dataclasses.replace(round_, state=other)).logits
        )
        inverted = dataclasses.replace(round_, prev_prob=1 - round_.prev_prob)
        assert not torch.equal(model(round_).logits, model(inverted).logits)
        # In a view that stands still it is the other way round.
        kept = golden_round(CLICKS, state)
        assert torch.equal(
            model(kept).logits,
            model(dataclasses.replace(kept, prev_prob=inverted.prev_prob)).logits,
        )

    @torch.no_grad()
    def test_the_state_for_training_has_the_answer_but_no_features(self) -> None:
        model = golden_model("hr18s")
        assert model.trainable_state(None) is None
        first = model(golden_round(CLICKS[:1]))
        partial = model.trainable_state(first.state)
        pred = model(golden_round(CLICKS, partial))
        assert "base" in pred.aux
        assert torch.allclose(
            pred.logits, model(golden_round(CLICKS, first.state)).logits, atol=1e-5
        )
        assert not torch.allclose(pred.logits, model(golden_round(CLICKS)).logits, atol=1e-5)

    @torch.no_grad()
    def test_views_smaller_than_the_templates_need(self) -> None:
        model = build(emc_hrnet(8, "tiny", 16, 64)).eval()
        small = Round(
            torch.rand(1, 3, 17, 9), Clicks.of([Click(3, 4, True)]), torch.zeros(1, 1, 17, 9)
        )
        assert model(small).logits.shape == (1, 1, 17, 9)


class TestFiles:
    @pytest.mark.parametrize("name", ["hr18s", "segb0"])
    def test_published_files_load_and_are_written(self, name: str, tmp_path: Path) -> None:
        state, layout = golden_state(name), publish(SPECS[name])
        torch.save({"state_dict": state, "config": layout.config}, tmp_path / "emc.pth")
        loaded = load_model(tmp_path / "emc.pth")
        assert loaded.source == "EMC-Click (published)"
        assert (loaded.report.complete, loaded.report.matched) == (True, len(state))
        assert publish(loaded.spec).config == layout.config
        save_published(tmp_path / "again.pth", loaded)
        again = torch.load(tmp_path / "again.pth", weights_only=True)
        assert again["config"] == layout.config
        assert again["state_dict"].keys() == state.keys()
        assert all(torch.equal(again["state_dict"][key], state[key]) for key in state)

    @pytest.mark.parametrize("name", SPECS)
    def test_files_are_recognised_by_their_tensors(self, name: str) -> None:
        found = recognise({key: tuple(value.shape) for key, value in golden_state(name).items()})
        with torch.device("meta"):
            shapes = [
                {k: v.shape for k, v in build(s).state_dict().items()}
                for s in (found.spec, SPECS[name])
            ]
        assert shapes[0] == shapes[1]

    def test_copies_that_differ_are_refused(self, tmp_path: Path) -> None:
        state = dict(golden_state("hr18s"))
        state["refiner.corr_conv_pos.conv1x1.bias"] = (
            state["refiner.corr_conv_pos.conv1x1.bias"] + 1
        )
        torch.save(state, tmp_path / "emc.pth")
        with pytest.raises(IsegmError, match=r"corr_conv_pos\.conv1x1\.bias must be a copy"):
            load_model(tmp_path / "emc.pth")

    def test_a_missing_copy_is_refused(self, tmp_path: Path) -> None:
        state = dict(golden_state("hr18s"))
        del state["refiner.corr_conv_neg.conv1x1.bias"]
        torch.save(state, tmp_path / "emc.pth")
        with pytest.raises(IsegmError, match="1 missing"):
            load_model(tmp_path / "emc.pth")

    @pytest.mark.parametrize(
        "config",
        [{"mid_dims": 96}, {"width": 32}, {"only_first_click": False}, {"with_prev_mask": False}],
    )
    def test_a_configuration_that_contradicts_the_tensors_is_an_error(self, config: dict) -> None:
        shapes = {key: tuple(value.shape) for key, value in golden_state("hr18s").items()}
        with pytest.raises(IsegmError, match=next(iter(config))):
            recognise(shapes, config)
