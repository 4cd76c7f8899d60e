"""FCA-Net against the original under generated weights (keys, answers, losses, sessions), and what
its first click does.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from pathlib import Path

import pytest
import torch
from golden_heads import (
    SESSION,
    fingerprint,
    generator,
    golden_array,
    golden_clicks,
    golden_image,
    golden_tensor,
)
from torch import Tensor

from isegm.core.clicks import Click, Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import build, spec
from isegm.core.rounds import Round
from isegm.inference.protocol import load_protocol
from isegm.methods.fcanet import FCANet, fcanet, tiny
from isegm.nn.backbones.multigrid import MultiGridRes2Net, MultiGridResNet
from isegm.nn.clicks.gaussians import gaussian
from isegm.nn.clicks.nearest import pixel_distances
from isegm.nn.losses.click import click_weights, weighted_bce
from isegm.originals.fcanet import KEYS, publish, recognise
from isegm.originals.loading import load_model, save_published

# keys, parameters, sha256 (its beginning) of the sorted lines "key<tab>shape" of the original
SIZES = {
    "resnet": (742, 73_034_658, "4ec3ad89ba6b98cb"),
    "res2net": (1150, 73_705_722, "ae52b77afc4a6758"),
}
ANSWERS = {  # mean, standard deviation, probes
    "resnet": [-0.963176, 0.379780, -0.24642, -1.36124, -0.40128, -0.99682, -0.17574],
    "res2net": [-5.106035, 1.645299, 0.28963, -6.51837, -3.50313, -6.68462, -2.12705],
}
# Of the original's own program, which resizes the image as bytes. With floats, they are up to 9e-5
# off.
FIVE_CLICKS = [*SESSION, Click(200, 280, False)]
SESSION_ANSWERS = [
    [0.278636, 0.060297, 0.427789, 0.341907, 0.344073, 0.323218, 0.409919],
    [0.278640, 0.060302, 0.427823, 0.341906, 0.344085, 0.323269, 0.409902],
    [0.278624, 0.060301, 0.427887, 0.341880, 0.344072, 0.323332, 0.409899],
    [0.278641, 0.060287, 0.427969, 0.341759, 0.344066, 0.323136, 0.409902],
    [0.278636, 0.060293, 0.427972, 0.341757, 0.344066, 0.323139, 0.409826],
]


@functools.cache
def golden_state(network: str) -> dict[str, Tensor]:
    """A state dict in the published layout."""
    with torch.device("meta"):
        named = KEYS.to_published(build(fcanet(network)).state_dict())
    return {key: golden_tensor(key, tuple(value.shape)) for key, value in named.items()}


@functools.cache
def golden_model(network: str) -> FCANet:
    """A model with golden weights; it is shared, so leave it as it is."""
    with torch.device("meta"):
        model = build(fcanet(network))
    model.load_state_dict(KEYS.to_ours(golden_state(network)), assign=True)
    return model.eval()


def shapes(network: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in golden_state(network).items()}


def round_of(*clicks: Click, size: tuple[int, int] = (64, 80)) -> Round:
    return Round(golden_array("image", (1, 3, *size)), Clicks.of(clicks), torch.zeros(1, 1, *size))


class TestOriginal:
    @pytest.mark.parametrize("network", SIZES)
    def test_keys_shapes_and_sizes(self, network: str) -> None:
        lines = sorted(f"{key}\t{shape}" for key, shape in shapes(network).items())
        parameters = sum(p.numel() for p in golden_model(network).parameters())
        assert (
            len(lines),
            parameters,
            hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16],
        ) == SIZES[network]

    @pytest.mark.parametrize("network", ANSWERS)
    @torch.no_grad()
    def test_answers(self, network: str) -> None:
        round_ = Round(
            golden_array("image", (1, 3, 128, 192)), golden_clicks(), torch.zeros(1, 1, 128, 192)
        )
        model = golden_model(network)
        assert fingerprint(model.infer(round_).logits) == pytest.approx(ANSWERS[network], abs=2e-4)
        assert torch.equal(model(round_).logits, model.infer(round_).logits)

    @torch.no_grad()
    def test_strides_and_channels(self) -> None:
        with torch.device("meta"):
            model = build(fcanet("resnet")).eval()
            fine = model.backbone.fine(torch.zeros(1, 5, 512, 640))
            coarse = model.backbone.coarse(fine)
            branch = model.first_click(fine, torch.zeros(1, 1, 512, 640))
        assert (fine.shape[1:], coarse.shape[1:]) == ((256, 128, 160), (2048, 32, 40))
        assert branch.shape[1:] == (512, 32, 40)
        assert [block.conv2.dilation[0] for block in model.backbone.layer4] == [2, 4, 8]

    def test_session(self) -> None:
        predictor = load_protocol("fcanet").predictor(golden_model("resnet"))
        session = predictor.start(golden_image())
        request = predictor.request(session, FIVE_CLICKS[0])
        assert request.view.size == (512, 682)
        for click, golden in zip(FIVE_CLICKS, SESSION_ANSWERS, strict=True):
            session = predictor.click(session, click)
            assert fingerprint(session.prob) == pytest.approx(golden, abs=5e-6)

    def test_gaussians(self) -> None:
        found = gaussian(torch.tensor([0.0, 1.0, 5.0, 10.0, 15.0]), 10)
        assert found.tolist() == pytest.approx([1, 0.97265, 0.5, 0.0625, 0.001953], abs=1e-5)
        assert gaussian(torch.tensor(15.0), 30) == pytest.approx(0.5)

    def test_loss_example(self) -> None:
        logits = torch.from_numpy(generator("logits").standard_normal((2, 1, 32, 48))).float()[:1]
        target = torch.zeros(1, 1, 32, 48)
        target[..., 5:20, 8:30] = 1
        clicks = Clicks.of([Click(10, 15, True), Click(18, 28, True), Click(25, 40, False)])
        weights = click_weights(*pixel_distances(clicks, (32, 48)).split(1, 1), target)
        assert [float(weights.min()), float(weights.max())] == pytest.approx(
            [1.433961, 2.0], abs=1e-6
        )
        assert float(weighted_bce(logits, target, weights)) == pytest.approx(1.445441, abs=1e-6)
        first = pixel_distances(Clicks.of([Click(12, 18, True)]), (32, 48))[:, :1]
        assert float(
            weighted_bce(logits, target, click_weights(first, None, target))
        ) == pytest.approx(0.842245, abs=1e-6)

    @pytest.mark.parametrize(
        ("size", "view"),
        [
            ((240, 320), (512, 682)),
            ((320, 240), (682, 512)),
            ((1000, 1000), (512, 512)),
            ((512, 7), (37449, 512)),
        ],
    )
    def test_views_have_512_pixels_on_the_shorter_side(
        self, size: tuple[int, int], view: tuple[int, int]
    ) -> None:
        predictor = load_protocol("fcanet").predictor(tiny())
        session = predictor.start(torch.zeros(1, 3, *size, dtype=torch.uint8))
        assert predictor.request(session, Click(0, 0, True)).view.size == view

    def test_clicks_are_cut_to_pixels_of_the_view(self) -> None:
        """The original's example: (x, y) = (160, 120) and (319, 239) of 320 x 240 become (341, 256)
        and (679, 509).
        """
        predictor = load_protocol("fcanet").predictor(tiny())
        session = predictor.start(golden_image())
        for (y, x), pixel in (((120, 160), (256, 341)), ((239, 319), (509, 679))):
            view = predictor.request(session, Click(y, x, True)).view
            clicks = Clicks.of([Click(y, x, True)]).crop(view.source, view.size)
            assert (pixel_distances(clicks, view.size)[0, 0] == 0).nonzero().tolist() == [
                list(pixel)
            ]


class TestDistances:
    def test_nearest_click_of_each_sign(self) -> None:
        clicks = Clicks.of([Click(3, 4, True), Click(0, 0, True), Click(8.9, 1.2, False)])
        found = pixel_distances(clicks, (10, 12))[0]
        for y, x in ((0, 0), (9, 11), (5, 2)):
            assert float(found[0, y, x]) == pytest.approx(
                min(math.hypot(y - 3, x - 4), math.hypot(y, x))
            )
            assert float(found[1, y, x]) == pytest.approx(math.hypot(y - 8, x - 1))

    def test_absent_signs_and_far_pixels_are_255_away(self) -> None:
        found = pixel_distances(Clicks.of([Click(0, 0, True)]), (2, 400))[0]
        assert (found[1] == 255).all()
        assert (found[0, 0, 255:] == 255).all()
        assert float(found[0, 0, 254]) == 254
        assert (pixel_distances(Clicks.of([]), (4, 4)) == 255).all()


class TestFirstClick:
    A, B = Click(20, 20, True), Click(50, 60, True)

    @staticmethod
    @functools.cache
    def model() -> FCANet:
        torch.manual_seed(0)
        model = tiny()
        for _ in range(3):  # statistics of batch norm that fit
            model.train()(
                dataclasses.replace(
                    round_of(), image=torch.rand(2, 3, 64, 80), clicks=golden_clicks([[], []])
                )
            )
        return model.eval()

    @torch.no_grad()
    def test_the_order_of_the_others_does_not_matter_but_the_first_does(self) -> None:
        c, model = Click(5, 5, False), self.model()
        answer = model.infer(round_of(self.A, self.B, c)).logits
        assert torch.allclose(answer, model.infer(round_of(self.A, c, self.B)).logits, atol=1e-6)
        assert not torch.allclose(
            answer, model.infer(round_of(self.B, self.A, c)).logits, atol=1e-6
        )

    def test_undoing_the_first_click_moves_the_anchor(self) -> None:
        predictor = load_protocol("fcanet").predictor(self.model())
        start = predictor.start(golden_image()[:64, :80])
        both = predictor.click(predictor.click(start, self.A), self.B)
        without = predictor.click(
            start, self.B
        )  # undo of the first click: the session before it, and the click after it
        fresh = predictor.click(predictor.start(golden_image()[:64, :80]), self.B)
        assert torch.equal(without.prob, fresh.prob)
        assert not torch.equal(without.prob, both.prob)

    @torch.no_grad()
    def test_a_negative_first_click_is_the_anchor_too(self) -> None:
        """As in the published code: its map is drawn, as a background click it counts in the other
        map.
        """
        model, negative = self.model(), Click(20, 20, False)
        answer = model.infer(round_of(negative)).logits
        assert answer.isfinite().all()
        assert not torch.allclose(answer, model.infer(round_of()).logits, atol=1e-6)
        seen = {}
        handle = model.first_click.register_forward_hook(
            lambda _, inputs, __: seen.update(map=inputs[1])
        )
        model.infer(round_of(negative, self.B))
        handle.remove()
        assert float(seen["map"][0, 0, 20, 20]) == 1
        assert float(seen["map"].max()) == float(seen["map"][0, 0, 20, 20])

    def test_a_negative_first_click_has_a_loss(self) -> None:
        model, round_ = tiny().train(), golden_clicks([[Click(20, 20, False)], []])
        round_ = Round(torch.rand(2, 3, 64, 80), round_, torch.zeros(2, 1, 64, 80))
        losses = model.losses(model(round_), torch.zeros(2, 1, 64, 80), round_)
        assert all(value.isfinite() for value in losses.values())

    def test_nothing_of_the_previous_mask_is_seen(self) -> None:
        round_ = round_of(self.A)
        masked = dataclasses.replace(round_, prev_prob=torch.ones_like(round_.prev_prob))
        with torch.no_grad():
            assert torch.equal(self.model().infer(round_).logits, self.model().infer(masked).logits)


class TestLosses:
    def test_weights_fall_from_two_to_four_fifths(self) -> None:
        distance = torch.tensor([0.0, 50.0, 100.0, 255.0]).view(1, 1, 1, 4)
        on = torch.ones(1, 1, 1, 4)
        assert click_weights(distance, distance * 0, on).flatten().tolist() == pytest.approx(
            [2.0, 1.4, 0.8, 0.8]
        )
        assert click_weights(distance * 0, distance, on * 0).flatten().tolist() == pytest.approx(
            [2.0, 1.4, 0.8, 0.8]
        )
        assert click_weights(distance * 0, None, on * 0).flatten().tolist() == pytest.approx(
            [0.8] * 4
        )

    def test_ignored_pixels_add_nothing(self) -> None:
        target = torch.tensor([1.0, 0.0, -1.0, -1.0]).view(1, 1, 2, 2)
        logits = torch.tensor([0.0, 0.0, 9.0, -9.0]).view(1, 1, 2, 2)
        assert float(weighted_bce(logits, target)) == pytest.approx(math.log(2) / 2)

    @pytest.mark.parametrize(
        ("switches", "names"),
        [
            ({"first_click": False, "click_loss": False}, {"instance"}),
            ({"click_loss": False}, {"instance", "first_click"}),
            ({}, {"instance", "first_click"}),
        ],
    )
    def test_switches_of_the_ablation(self, switches: dict, names: set[str]) -> None:
        torch.manual_seed(0)
        model = build(fcanet(depths=(1, 1, 1, 1), width=8, head_width=16, **switches)).train()
        clicks = golden_clicks([[Click(20, 20, True)], [Click(30, 30, True), Click(3, 60, False)]])
        round_, target = (
            Round(torch.rand(2, 3, 64, 80), clicks, torch.zeros(2, 1, 64, 80)),
            torch.zeros(2, 1, 64, 80),
        )
        target[..., 10:40, 10:50] = 1
        pred = model(round_)
        losses = model.losses(pred, target, round_)
        assert set(losses) == names
        plain = torch.nn.functional.binary_cross_entropy_with_logits(pred.logits, target)
        assert torch.allclose(losses["instance"], plain) != switches.get("click_loss", True)

    def test_learning_rates(self) -> None:
        model = tiny()
        rates = {
            name.partition(".")[0]: model.lr_multiplier(name)
            for name, _ in model.named_parameters()
        }
        assert rates == {"backbone": 1.0, "head": 10.0, "first_click": 10.0}


class TestCheckpoints:
    def test_published_files_load_strictly_and_can_be_written_again(self, tmp_path: Path) -> None:
        network = "res2net"
        state = golden_state(network)
        torch.save(state, tmp_path / f"fcanet-{network}.pth")
        loaded = load_model(tmp_path / f"fcanet-{network}.pth")
        assert loaded.source == f"FCA-Net {network} (published)"
        assert loaded.report.complete
        assert loaded.spec == fcanet(network)
        save_published(tmp_path / "again.pth", loaded)
        again = torch.load(tmp_path / "again.pth", weights_only=True)
        assert list(again) == list(state)
        assert all(torch.equal(again[key], state[key]) for key in state)

    def test_a_missing_tensor_is_an_error(self, tmp_path: Path) -> None:
        state = dict(golden_state("resnet"))
        del state["my_aspp.aspp3.bn.weight"]
        torch.save(state, tmp_path / "broken.pth")
        with pytest.raises(IsegmError, match=r"my_aspp\.aspp3\.bn\.weight"):
            load_model(tmp_path / "broken.pth")

    def test_what_has_no_published_form(self) -> None:
        assert recognise({"feature_extractor.conv1.weight": (64, 3, 3, 3)}) is None
        assert publish(fcanet(first_click=False)) is None
        assert publish(fcanet(width=8)) is None
        assert publish(fcanet(click_width=5)) is None
        assert publish(fcanet("res2net", click_loss=False)).source == "FCA-Net res2net (published)"

    @pytest.mark.parametrize("network", [MultiGridResNet, MultiGridRes2Net])
    def test_imagenet_weights(self, tmp_path: Path, network: type[MultiGridResNet]) -> None:
        source = network(depths=(1, 1, 1, 1), width=8, in_channels=3)
        torch.save(
            {**source.state_dict(), "fc.weight": torch.rand(10, 256)}, tmp_path / "imagenet.pth"
        )
        backbone = network(depths=(1, 1, 1, 1), width=8)
        stem = next(backbone.conv1.parameters()).detach().clone()
        backbone.load_pretrained(tmp_path / "imagenet.pth")
        loaded = next(backbone.conv1.parameters())
        assert torch.equal(loaded[:, :3], next(source.conv1.parameters()))
        assert torch.equal(loaded[:, 3:], stem[:, 3:])
        assert torch.equal(backbone.layer3[0].conv1.weight, source.layer3[0].conv1.weight)


class TestMistakes:
    def test_unknown_network(self) -> None:
        with pytest.raises(IsegmError, match="did you mean"):
            fcanet("resnet101")

    def test_parts_that_do_not_fit(self) -> None:
        parts = fcanet(width=8, head_width=16)["args"]
        with pytest.raises(IsegmError, match=r"head\.in_channels is 288, but its input has 256"):
            build(spec(FCANet, **{**parts, "first_click": None}))
        wrong = {**parts["first_click"], "args": {"in_channels": 7, "width": 16}}
        with pytest.raises(
            IsegmError, match=r"first_click\.in_channels is 7, but the fine features have 32"
        ):
            build(spec(FCANet, **{**parts, "first_click": wrong}))

    @pytest.mark.parametrize("depths", [(1, 1, 1), (1, 1, 1, 4), (1, 0, 1, 1)])
    def test_depths(self, depths: tuple[int, ...]) -> None:
        with pytest.raises(IsegmError, match="expected four stages, the last with 1 to 3 blocks"):
            MultiGridResNet(depths)

    def test_a_single_training_sample(self) -> None:
        with pytest.raises(IsegmError, match="at least 2 samples per process"):
            tiny().train()(round_of(Click(20, 20, True)))
