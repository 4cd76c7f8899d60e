"""ClickSEG's light baselines against the original under generated weights, and what they add to
other methods.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from golden import golden_round, golden_tensor, published_shapes, statistics, unused_size
from torch import Tensor

from isegm.core.errors import IsegmError
from isegm.core.registry import build, spec
from isegm.inference.protocol import load_protocol
from isegm.methods.clickseg_baseline import NETWORKS, ClickSEGBaseline, clickseg_baseline, tiny
from isegm.nn.backbones.pplcnet import PPLCNet
from isegm.nn.clicks.disks import Disks
from isegm.nn.weights import load_strictly
from isegm.originals.clickseg import BASELINE_KEYS as KEYS
from isegm.originals.clickseg import publish, recognise
from isegm.originals.loading import load_model, save_published
from isegm.reference.twin import slow_twin

# mean, standard deviation, minimum, maximum, [10, 10], centre
OUTPUTS = {
    "pplcnet": (0.078308, 0.000772467, 0.0753435, 0.0824567, 0.0781839, 0.0786567),
    "mobilenetv2": (0.0610937, 0.0113379, 0.0304091, 0.100028, 0.0775068, 0.0464429),
}
SIZES = {
    "pplcnet": (3_092_075, 11_228, 193),
    "mobilenetv2": (1_901_475, 31_860, 326),
}  # parameters, buffer elements, keys
# tensors, parameters and buffer elements below a published prefix, for PP-LCNet and MobileNetV2
PREFIXES = {
    "feature_extractor.backbone.": ((173, 2_952_520, 10_971), (306, 1_811_712, 31_603)),
    "feature_extractor.lraspp.": ((7, 131_328, 257), (7, 82_176, 257)),
    "feature_extractor.fusion_conv1.": ((2, 2064, 0), (2, 2064, 0)),
    "feature_extractor.fusion_conv2.": ((2, 1040, 0), (2, 400, 0)),
    "feature_extractor.head.": ((2, 17, 0), (2, 17, 0)),
    "feature_extractor.aux_head.": ((2, 17, 0), (2, 17, 0)),
    "maps_transform.0.": ((2, 448, 0), (2, 448, 0)),
    "maps_transform.2.": ((2, 4640, 0), (2, 4640, 0)),
    "maps_transform.3.": ((1, 1, 0), (1, 1, 0)),
}
DEAD = {
    f"feature_extractor.backbone.{name}" for name in ("last_conv.weight", "fc.weight", "fc.bias")
}
ALL = pytest.mark.parametrize("network", NETWORKS)


@functools.cache
def golden_state(network: str) -> dict[str, Tensor]:
    """A state dict in the published layout."""
    with torch.device("meta"):
        state = build(clickseg_baseline(network)).state_dict()
    named = published_shapes(publish(clickseg_baseline(network)), state)
    return {key: golden_tensor(key, shape) for key, shape in named.items()}


def shapes(network: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in golden_state(network).items()}


def golden_model(network: str) -> ClickSEGBaseline:
    recognised = recognise(shapes(network))
    model = build(recognised.spec)
    load_strictly(
        model, golden_state(network), "golden weights", recognised.keys, recognised.unused
    )
    return model.eval()


def toy_target(height: int = 64, width: int = 96) -> Tensor:
    target = torch.zeros(1, 1, height, width)
    target[..., 10:50, 20:70] = 1
    target[..., 50:52, 20:70] = -1
    return target


class TestOriginal:
    @ALL
    @torch.no_grad()
    def test_outputs(self, network: str) -> None:
        model = golden_model(network)
        assert statistics(model(golden_round()).logits) == pytest.approx(OUTPUTS[network], rel=1e-4)

    @ALL
    def test_state_dict_has_the_published_size(self, network: str) -> None:
        with torch.device("meta"):
            model = build(clickseg_baseline(network))
        parameters = {name for name, _ in model.named_parameters()}
        state = model.state_dict()
        buffers = sum(value.numel() for name, value in state.items() if name not in parameters)
        published = publish(clickseg_baseline(network))
        count = sum(p.numel() for p in model.parameters()) + unused_size(published)
        assert (count, buffers, len(state) + len(published.unused)) == SIZES[network]

    @pytest.mark.parametrize(("column", "network"), [(0, "pplcnet"), (1, "mobilenetv2")])
    def test_parts_have_the_published_size_and_names(self, column: int, network: str) -> None:
        with torch.device("meta"):
            model = build(clickseg_baseline(network))
        parameters, state = (
            KEYS.to_published(dict(model.named_parameters())),
            KEYS.to_published(model.state_dict()),
        )
        with torch.device("meta"):
            unused = {
                key: torch.empty(shape)
                for key, shape in publish(clickseg_baseline(network)).unused.items()
            }
        parameters, state = parameters | unused, state | unused
        for prefix, columns in PREFIXES.items():
            below = [key for key in state if key.startswith(prefix)]
            counted = sum(parameters[key].numel() for key in below if key in parameters)
            buffers = sum(state[key].numel() for key in below if key not in parameters)
            assert (len(below), counted, buffers) == columns[column], prefix
        assert sum(
            len([key for key in state if key.startswith(prefix)]) for prefix in PREFIXES
        ) == len(state)

    def test_layers_of_the_classifier_are_no_part_of_the_network(self) -> None:
        assert set(publish(clickseg_baseline("pplcnet")).unused) == DEAD
        assert not publish(clickseg_baseline("mobilenetv2")).unused
        assert all(p.requires_grad for p in build(clickseg_baseline("pplcnet")).parameters())

    def test_learning_rates(self) -> None:
        model = build(clickseg_baseline("mobilenetv2"))
        rates = {
            name.split(".")[0]: model.lr_multiplier(name) for name, _ in model.named_parameters()
        }
        assert rates == {"fusion": 1.0, "backbone": 0.1, "head": 0.1}

    @ALL
    @torch.no_grad()
    def test_reference_gives_the_same_answer(self, network: str) -> None:
        model, round_ = golden_model(network), golden_round(64, 96)
        assert torch.equal(model(round_).logits, slow_twin(model)(round_).logits)


class TestLosses:
    @torch.no_grad()
    def test_first_guess_is_judged_as_the_answer_is(self) -> None:
        model, round_ = tiny(), golden_round(64, 96)
        pred = model.eval()(round_)
        losses = model.losses(pred, toy_target(), round_)
        assert set(losses) == {"instance", "aux"}
        swapped = type(pred)(pred.aux["first_guess"], {"first_guess": pred.logits})
        others = model.losses(swapped, toy_target(), round_)
        assert float(losses["aux"]) == pytest.approx(0.4 * float(others["instance"]))
        assert float(others["aux"]) == pytest.approx(0.4 * float(losses["instance"]))

    @torch.no_grad()
    def test_click_loss_is_about_pixels_under_clicks(self) -> None:
        model, round_ = (
            build(clickseg_baseline("mobilenetv2", click_loss=1.0)),
            golden_round(64, 96),
        )
        pred = model.eval()(round_)
        right = type(pred)(20 * (toy_target() - 0.5), pred.aux)
        assert float(model.losses(right, toy_target(), round_)["clicks"]) < 1e-3
        wrong = right.logits.clone()
        wrong[..., 18:23, 28:33] *= -1  # around the first click
        elsewhere = right.logits.clone()
        elsewhere[..., 40:45, 50:55] *= -1
        under, aside = (
            model.losses(type(pred)(x, pred.aux), toy_target(), round_)["clicks"]
            for x in (wrong, elsewhere)
        )
        assert float(under) > 50 * float(aside)

    @ALL
    def test_every_trained_parameter_gets_a_gradient(self, network: str) -> None:
        torch.manual_seed(0)
        model, round_ = (
            build(clickseg_baseline(network, click_loss=1.0)).train(),
            golden_round(64, 96),
        )
        sum(model.losses(model(round_), toy_target(), round_).values()).backward()
        assert not [
            name
            for name, p in model.named_parameters()
            if p.requires_grad and (p.grad is None or not p.grad.any())
        ]


class TestFiles:
    @ALL
    def test_published_files_load_strictly_and_can_be_written_again(
        self, tmp_path: Path, network: str
    ) -> None:
        layout = publish(clickseg_baseline(network))
        torch.save(
            {"state_dict": golden_state(network), "config": layout.config},
            tmp_path / "last_checkpoint.pth",
        )
        loaded = load_model(tmp_path / "last_checkpoint.pth")
        assert (loaded.source, loaded.report.matched) == (
            "ClickSEG baseline (published)",
            len(golden_state(network)),
        )
        assert loaded.spec == clickseg_baseline(network, backbone_lr=0.1)
        save_published(tmp_path / "again.pth", loaded)
        again = torch.load(tmp_path / "again.pth", weights_only=True)
        assert again["config"] == layout.config
        assert list(again["state_dict"]) == list(golden_state(network))
        assert all(
            torch.equal(value, golden_state(network)[key])
            for key, value in again["state_dict"].items()
        )

    @ALL
    def test_a_bare_state_dict_is_enough(self, tmp_path: Path, network: str) -> None:
        torch.save(golden_state(network), tmp_path / "bare.pth")
        assert (
            load_model(tmp_path / "bare.pth").spec["args"]["backbone"]
            == NETWORKS[network]["backbone"]
        )

    def test_a_missing_layer_of_the_classifier_is_missed(self, tmp_path: Path) -> None:
        state = {
            key: value
            for key, value in golden_state("pplcnet").items()
            if not key.endswith("fc.bias")
        }
        torch.save(state, tmp_path / "cut.pth")
        with pytest.raises(IsegmError, match=r"1 missing: feature_extractor\.backbone\.fc\.bias"):
            load_model(tmp_path / "cut.pth")

    @pytest.mark.parametrize(
        "config", [{"backbone": "PPLCNet"}, {"with_prev_mask": False}, {"binary_prev_mask": True}]
    )
    def test_a_configuration_that_contradicts_the_tensors_is_an_error(self, config: dict) -> None:
        with pytest.raises(IsegmError, match=next(iter(config))):
            recognise(shapes("mobilenetv2"), config)

    def test_other_networks_are_left_alone(self) -> None:
        assert recognise({"feature_extractor.conv1.weight": (64, 3, 3, 3)}) is None
        assert recognise({"feature_extractor.lraspp.b0.0.weight": (128, 320, 1, 1)}) is None

    def test_what_the_original_has_no_name_for_cannot_be_written(self) -> None:
        described = clickseg_baseline("pplcnet")
        assert publish(described).keys is KEYS
        for part in ({"backbone": spec(PPLCNet, width=0.5)}, {"clicks": spec(Disks, radius=3)}):
            assert publish({**described, "args": {**described["args"], **part}}) is None

    def test_an_unknown_network_names_the_nearest(self) -> None:
        with pytest.raises(IsegmError, match="did you mean mobilenetv2"):
            clickseg_baseline("mobilenetv3")

    def test_parts_that_do_not_fit_are_refused(self) -> None:
        args = clickseg_baseline("mobilenetv2")["args"] | {"head": NETWORKS["pplcnet"]["head"]}
        with pytest.raises(IsegmError, match=r"head\.in_channels=320"):
            build(spec(ClickSEGBaseline, **args))


class TestProtocol:
    def test_is_focalclicks_without_the_second_look_at_384(self) -> None:
        """The recorded sequences of the original's baseline predictor are tested under FocalClick's
        protocol.
        """
        own, focal = load_protocol("clickseg"), load_protocol("focalclick")
        assert replace(own.rule, size=(256, 256)) == focal.rule
        for name in ("max_clicks", "stop_iou", "mask_threshold", "mirror", "merge", "user", "sis"):
            assert getattr(own, name) == getattr(focal, name)
        assert (own.view["size"], own.refine) == ([384, 384], {})
        assert own.predictor(tiny()).rule.size == (384, 384)
