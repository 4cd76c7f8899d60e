"""What f-BRS optimises and how, on networks small enough to see it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from golden import golden_round, with_golden_weights
from probe import ProbeNet
from torch import Tensor

from isegm.core.clicks import Click, Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import build, spec
from isegm.core.rounds import Prediction, Round
from isegm.inference.mirror import with_mirror
from isegm.inference.modes import MODES, PLAIN, with_mode
from isegm.methods import fbrs
from isegm.methods.checkpoints import save_model
from isegm.methods.fbrs import FBRS, Offset, ScaleAndBias, fbrs_deeplab, fbrs_hrnet
from isegm.methods.ritm import RITM, ritm_hrnet
from isegm.nn import brs
from isegm.nn.brs import BRSSettings, click_masks
from isegm.originals.loading import load_model

BRS_MODES = [mode for mode in MODES if mode not in PLAIN]
FEATURE_MODES = [mode for mode in BRS_MODES if mode.startswith("f-BRS")]
INPUT_MODES = [mode for mode in BRS_MODES if not mode.startswith("f-BRS")]
NINE = [Click(8 + 4 * i, 60 - 5 * i, i % 3 != 2) for i in range(9)]


@pytest.fixture(scope="module")
def network() -> RITM:
    return with_golden_weights(build(fbrs_hrnet(width=8, depth="tiny", ocr_width=16)))


@pytest.fixture(scope="module")
def iterative() -> RITM:
    """The same with the previous mask as an input."""
    return with_golden_weights(build(ritm_hrnet(width=8, depth="tiny", ocr_width=16)))


def round_of(clicks: list[Click], mirrored: bool = False, **changes) -> Round:
    round_ = dataclasses.replace(golden_round(48, 64), clicks=Clicks.of(clicks))
    return dataclasses.replace(with_mirror(round_) if mirrored else round_, **changes)


class TestVariables:
    def test_features_are_scaled_and_shifted_alike_in_both_halves(self, network: RITM) -> None:
        round_ = round_of(NINE[:2], mirrored=True)
        seen = []

        class Spy:
            def decode(self, features, size, point):
                seen.append(features[0])
                return Prediction(features[0][:, :1])

        with torch.no_grad():
            features = network.encode(round_)
        channels = features[0].shape[1]
        x = torch.rand(2 * channels)
        ScaleAndBias(Spy(), features, (48, 64), "A", BRSSettings(), ()).logits(x)
        scale, bias = x[:channels].view(1, -1, 1, 1), x[channels:].view(1, -1, 1, 1)
        assert torch.equal(seen[0], features[0] * (1 + scale) + bias)

    def test_penalties(self, network: RITM) -> None:
        with torch.no_grad():
            both, coords = network.inputs(round_of(NINE[:2], mirrored=True))
        settings = BRSSettings()
        x = torch.tensor([1.0, 2.0, 3.0, 1.0])
        features = ScaleAndBias(network, (torch.rand(2, 2, 4, 4),), (8, 8), "A", settings, ())
        assert float(features.penalty(x)) == pytest.approx(1e-3 * (1 + 4) + 1e-2 * (9 + 1))
        offset = torch.full((3 * 48 * 64,), 0.1)
        assert float(
            Offset(network, both, coords, "image", settings).penalty(offset)
        ) == pytest.approx(2 * 1e-3 * 0.01 * offset.numel(), rel=1e-4)
        assert float(
            Offset(network, both[:1], coords[:1], "image", settings).penalty(offset)
        ) == pytest.approx(1e-3 * 0.01 * offset.numel(), rel=1e-4)

    @pytest.mark.parametrize("target", ["image", "maps"])
    def test_an_offset_is_mirrored_and_leaves_the_previous_mask_alone(
        self, iterative: RITM, target: str
    ) -> None:
        seen = []

        class Spy:
            def features(self, image, coords):
                seen.append((image, coords))

            def decode(self, features, size):
                return Prediction(torch.zeros(2, 1, *size))

        with torch.no_grad():
            image, coords = iterative.inputs(round_of(NINE[:2], mirrored=True))
        offset = Offset(Spy(), image, coords, target, BRSSettings())
        x = torch.rand(offset.shape)
        offset.logits(x.flatten())
        both = torch.cat([x, x.flip(-1)])
        changed_image, changed_coords = seen[0]
        assert torch.equal(changed_image, image + both if target == "image" else image)
        assert torch.equal(changed_coords[:, :1], coords[:, :1])
        assert torch.equal(
            changed_coords[:, 1:], coords[:, 1:] + both if target == "maps" else coords[:, 1:]
        )


class TestSearch:
    def test_scipy_is_given_the_published_parameters(
        self, network: RITM, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = []

        def fmin(objective, start, **parameters):
            calls.append((start, parameters))
            objective(start)
            return start + 1, 0.0, {}

        monkeypatch.setattr(brs, "fmin_l_bfgs_b", fmin)
        FBRS(network).infer(round_of(NINE[:2]))
        assert calls[0][1] == {"m": 20, "factr": 0, "pgtol": 1e-8, "maxfun": 20, "maxiter": 40}
        assert calls[0][0].shape == (240,)
        assert not calls[0][0].any()
        FBRS(network, settings=BRSSettings(evaluations=3, corrections=5)).infer(round_of(NINE[:2]))
        assert (calls[1][1]["maxfun"], calls[1][1]["m"]) == (3, 5)

    @pytest.mark.parametrize("mode", BRS_MODES)
    @pytest.mark.parametrize("mirrored", [False, True])
    def test_a_first_click_is_answered_by_the_network_alone(
        self, network: RITM, mode: str, mirrored: bool
    ) -> None:
        round_ = round_of(NINE[:1], mirrored)
        pred = FBRS(network, mode).infer(round_)
        with torch.no_grad():
            assert torch.equal(pred.logits, network(round_).logits)
        assert pred.aux["evaluations"].tolist() == [[0]] * (1 + mirrored)
        assert not pred.state.variables.any()

    @pytest.mark.parametrize("mode", BRS_MODES)
    def test_the_answer_agrees_better_with_the_clicks(self, network: RITM, mode: str) -> None:
        round_ = round_of(NINE[:4], mirrored=True)
        wanted, unwanted = click_masks(round_)

        def error(logits: Tensor) -> float:
            prob = logits.sigmoid()
            return float(
                (((1 - prob) * wanted) ** 2).sum() / wanted.sum()
                + ((prob * unwanted) ** 2).sum() / unwanted.sum()
            )

        pred = FBRS(network, mode).infer(round_)
        with torch.no_grad():
            assert error(pred.logits) < error(network(round_).logits)
        assert (pred.aux["evaluations"] > 1).all()

    def test_the_end_of_a_search_is_the_start_of_the_next(
        self, network: RITM, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        starts = []

        def fmin(objective, start, **parameters):
            starts.append(start)
            # The answer is the best one seen, the start of the next search is where this one ended.
            objective(start + 5)
            return start + 1, 0.0, {}

        monkeypatch.setattr(brs, "fmin_l_bfgs_b", fmin)
        for mode in ("f-BRS-C", "RGB-BRS"):
            model, state = FBRS(network, mode), None
            starts.clear()
            for made, fresh in ((1, True), (2, False), (3, False), (4, True), (5, False)):
                state = model.infer(
                    round_of(NINE[:made], mirrored=True, state=state, fresh_view=fresh)
                ).state
            # A scale per channel makes sense in any view, an offset to pixels only in its own.
            assert [float(s.max()) for s in starts] == (
                [0, 1, 2, 3] if mode == "f-BRS-C" else [0, 1, 0, 1]
            )
            assert torch.equal(state.variables[0], state.variables[1])

    @pytest.mark.parametrize(
        ("mode", "limit"), [("f-BRS-B", 8), ("RGB-BRS", 5), ("DistMap-BRS", 5)]
    )
    def test_the_network_sees_the_first_clicks_and_the_search_all(
        self, network: RITM, mode: str, limit: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        round_ = round_of(NINE)
        shown, judged = [], []
        inputs = network.inputs
        monkeypatch.setattr(
            network, "inputs", lambda round_: (shown.append(round_.clicks), inputs(round_))[1]
        )
        masks = fbrs.click_masks
        monkeypatch.setattr(
            fbrs,
            "click_masks",
            lambda round_, reach: (judged.append(round_.clicks), masks(round_, reach))[1],
        )
        FBRS(network, mode).infer(round_)
        assert torch.equal(shown[0].yx, round_.clicks.yx[:, :limit])
        assert torch.equal(judged[0].yx, round_.clicks.yx)
        FBRS(network, mode, clicks_limit=3).infer(round_)
        assert shown[1].yx.shape[1] == 3

    @pytest.mark.parametrize("mode", FEATURE_MODES)
    def test_what_precedes_the_insertion_point_runs_once_per_click_and_not_at_all_past_the_limit(
        self, network: RITM, mode: str
    ) -> None:
        model, state, passes, counts, evaluations = (
            FBRS(network, mode, clicks_limit=3),
            None,
            [],
            [],
            [],
        )
        hook = network.backbone.register_forward_hook(lambda *_: passes.append(1))
        for made, fresh in (
            (1, True),
            (2, True),
            (3, False),
            (4, False),
            (5, False),
            (6, True),
            (7, False),
        ):
            passes.clear()
            pred = model.infer(round_of(NINE[:made], mirrored=True, state=state, fresh_view=fresh))
            state = pred.state
            counts.append(len(passes))
            evaluations.append(int(pred.aux["evaluations"][0]))
            assert int(state.evaluations[0]) == evaluations[-1]
        hook.remove()
        assert counts == [1, 1, 1, 0, 0, 1, 0]
        assert min(evaluations[1:]) >= 1
        assert max(evaluations) > 1
        assert bool(state.features)

    def test_features_are_not_kept_while_the_network_still_sees_new_clicks(
        self, network: RITM
    ) -> None:
        model = FBRS(network, clicks_limit=3)
        assert model.infer(round_of(NINE[:2])).state.features == ()
        assert len(model.infer(round_of(NINE[:3])).state.features) == 1

    @pytest.mark.parametrize("mode", BRS_MODES)
    @pytest.mark.parametrize("mirrored", [False, True])
    def test_a_batch_is_exactly_its_sessions(
        self, network: RITM, mode: str, mirrored: bool
    ) -> None:
        model = FBRS(network, mode)
        lists = [NINE[:4], NINE[3:5], NINE[:1]]
        alone = [round_of(clicks) for clicks in lists]
        flips = [torch.flip(r.image, [-2]) for r in alone[:1]] + [r.image for r in alone[1:]]
        alone = [dataclasses.replace(r, image=image) for r, image in zip(alone, flips, strict=True)]
        batch = Round(
            torch.cat([r.image for r in alone]),
            Clicks.cat([r.clicks for r in alone]),
            torch.cat([r.prev_prob for r in alone]),
        )
        together = model.infer(with_mirror(batch) if mirrored else batch)
        for i, round_ in enumerate(alone):
            single = model.infer(with_mirror(round_) if mirrored else round_)
            rows = [i, i + len(alone)] if mirrored else [i]
            assert torch.equal(together.logits[rows], single.logits)
            assert torch.equal(together.state.variables[rows], single.state.variables)
            assert torch.equal(together.aux["evaluations"][rows], single.aux["evaluations"])

    def test_the_weights_get_no_gradient(self, network: RITM) -> None:
        FBRS(network).infer(round_of(NINE[:3]))
        assert all(p.grad is None for p in network.parameters())


class TestModes:
    def test_no_brs_is_the_network_itself(self, network: RITM) -> None:
        assert with_mode(network, "NoBRS", 4) == (network, 4)

    @pytest.mark.parametrize("mode", BRS_MODES)
    def test_a_mode_limits_clicks_by_itself(self, iterative: RITM, mode: str) -> None:
        model, limit = with_mode(iterative, mode, settings={"threshold": 0.5})
        assert limit is None
        assert (model.mode, model.clicks_limit, model.settings.threshold) == (
            mode,
            8 if mode in FEATURE_MODES else 5,
            0.5,
        )
        assert with_mode(iterative, mode, 3)[0].clicks_limit == 3
        assert model.infer(round_of(NINE[:3])).logits.isfinite().all()

    def test_one_mode_replaces_another(self, network: RITM) -> None:
        wrapped = FBRS(network, "RGB-BRS")
        assert with_mode(wrapped, "NoBRS")[0] is network
        assert with_mode(wrapped, "f-BRS-C")[0].base is network

    def test_errors_say_what_to_do(self, network: RITM) -> None:
        with pytest.raises(IsegmError, match="did you mean f-BRS-B"):
            with_mode(network, "fBRS-B")
        with pytest.raises(IsegmError, match="ProbeNet has no insertion points for that"):
            with_mode(ProbeNet(prev_mask=False), "f-BRS-B")
        with pytest.raises(IsegmError, match="at least 1 click"):
            with_mode(network, "f-BRS-B", 0)
        with pytest.raises(IsegmError, match="unknown BRS mode"):
            FBRS(network, "NoBRS")


class TestTraining:
    def test_it_trains_as_its_network_does(self, network: RITM) -> None:
        model, round_ = FBRS(network), round_of(NINE[:2])
        target = (torch.rand(1, 1, 48, 64) > 0.5).float()
        pred, plain = model(round_), network(round_)
        assert torch.equal(pred.logits, plain.logits)
        losses, expected = model.losses(pred, target, round_), network.losses(plain, target, round_)
        assert set(losses) == set(expected) == {"instance", "aux"}
        assert all(torch.equal(losses[name], expected[name]) for name in losses)

    def test_learning_rates_are_those_of_the_original(self) -> None:
        def rates(described: dict) -> dict[str, float]:
            model = FBRS(build(described))
            return {
                name.removeprefix("base.").split(".")[0]: model.lr_multiplier(name)
                for name, _ in model.named_parameters()
            }

        expected = {"backbone": 0.1, "head": 1.0, "fusion": 1.0}
        assert rates(fbrs_hrnet(width=8, depth="tiny", ocr_width=16)) == expected
        assert rates(fbrs_deeplab(10, 16, resnet_width=8)) == expected
        head = build(fbrs_hrnet(width=8, depth="tiny", ocr_width=16))
        assert {
            head.lr_multiplier(n) for n, _ in head.named_parameters() if n.startswith("head.")
        } == {1.0}

    def test_a_wrapped_network_is_saved_with_its_mode(self, network: RITM, tmp_path: Path) -> None:
        described = spec(
            FBRS,
            base=fbrs_hrnet(width=8, depth="tiny", ocr_width=16),
            mode="f-BRS-C",
            clicks_limit=6,
        )
        model = build(described)
        model.base.load_state_dict(network.state_dict())
        save_model(tmp_path / "model.safetensors", model, described)
        loaded = load_model(tmp_path / "model.safetensors").model
        assert (loaded.mode, loaded.clicks_limit) == ("f-BRS-C", 6)
        round_ = round_of(NINE[:3])
        assert torch.equal(
            loaded.infer(round_).logits, FBRS(network, "f-BRS-C").infer(round_).logits
        )
