"""ClickAttention against the original: keys, sizes, answers, affinities, losses and sessions under
generated weights.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import pytest
import torch
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
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Round
from isegm.inference.protocol import load_protocol
from isegm.inference.sizes import with_crops
from isegm.methods.checkpoints import save_model
from isegm.methods.click_attention import (
    AffinityBlock,
    ClickAttention,
    ClickAttentionEncoder,
    _cells,
    affinity_loss,
    attention_loss,
    click_attention,
    tiny,
)
from isegm.nn.backbones.mix_transformer import MixTransformer
from isegm.nn.heads.segformer import segformer_head
from isegm.originals.click_attention import publish, recognise
from isegm.originals.loading import load_model, save_published

# keys, parameters, sha256 (its beginning) of the sorted lines "key<tab>shape" of the original
SIZES = {
    "b0": (232, 6_048_929, "206ba50e354720ca"),
    "b3": (628, 54_888_769, "65b2bddb2014cbbb"),
    "b3 without affinity": (592, 45_658_177, "3c32e3dd0a9a2d68"),
}
AFFINITY_PARAMETERS = {"b0": (104_192, 629_120, 1_596_416), "b3": (404_992, 2_487_040, 6_338_560)}
# mean, standard deviation, probes; None where the original's was not recorded
ANSWERS = {
    "b0": {
        "logits": [1.078416, 0.244992, 0.98567, 1.28847, 1.15017, 0.62501, 0.88283],
        "attention_2": [0.499067, 0.207691, 0.39286, 0.18512, 0.71389, 0.36600, 0.67200],
        "attention_3": [0.501062, 0.208963, 0.61048, 0.52146, 0.51247, 0.58962, 0.60949],
        "attention_4": [0.498298, 0.210167, 0.54657, 0.70695, 0.41944, 0.41165, 0.81956],
    },
    "b3": {
        "logits": [1.068398, 0.197360, 1.25557, 0.76975, 1.00992, 1.02766, 0.54848],
        "attention_2": [0.500649, 0.208804, 0.29970],
        "attention_3": [0.511159, 0.194153, 0.08825],
        "attention_4": [0.486437, 0.198186, 0.96701],
    },
}
SELF_ATTENTION = [
    0.015625,
    0.014157,
    0.01618,
    0.00689,
    0.00500,
    0.00882,
    0.02250,
]  # b0, stage 2, first block
SESSION_ANSWERS = [
    (0.737789, 0.040061),
    (0.738432, 0.039991),
    (0.737334, 0.040113),
    (0.736366, 0.040264),
]


def described(name: str) -> Spec:
    variant, _, rest = name.partition(" ")
    return click_attention(variant, stages=() if rest else (2, 3, 4))


@functools.cache
def golden_state(name: str) -> dict[str, Tensor]:
    """A state dict in the published layout."""
    with torch.device("meta"):
        model = build(described(name))
    named = publish(described(name)).keys.to_published(model.state_dict())
    return {key: golden_tensor(key, tuple(value.shape)) for key, value in named.items()}


@functools.cache
def golden_model(name: str, affinity_use: str = "none") -> ClickAttention:
    """A model with golden weights; it is shared, so leave it as it is."""
    args = {**described(name)["args"], "affinity_use": affinity_use}
    model = build(spec(ClickAttention, **args))
    model.load_state_dict(publish(described(name)).keys.to_ours(golden_state(name)))
    return model.eval()


def golden_round(size: int = 256, samples: tuple = (tuple(CLICKS),)) -> Round:
    batch = len(samples)
    image, prev = (
        golden_array("image", (batch, 3, size, size)),
        golden_array("prev", (batch, 1, size, size)),
    )
    return Round(image, golden_clicks(samples), prev)


def near(found: list[float], golden: list[float], atol: float = 2e-4) -> bool:
    return all(abs(a - b) <= atol for a, b in zip(found, golden, strict=False))


class TestOriginal:
    @pytest.mark.parametrize("name", SIZES)
    def test_keys_shapes_and_sizes(self, name: str) -> None:
        state = golden_state(name)
        lines = sorted(f"{key}\t{tuple(value.shape)}" for key, value in state.items())
        with torch.device("meta"):
            parameters = sum(p.numel() for p in build(described(name)).parameters())
        assert (
            len(lines),
            parameters,
            hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16],
        ) == SIZES[name]

    @pytest.mark.parametrize("variant", AFFINITY_PARAMETERS)
    def test_affinity_blocks_have_the_original_size(self, variant: str) -> None:
        with torch.device("meta"):
            backbone = build(described(variant)).backbone
        blocks = [backbone.get_submodule(f"attn_weight{stage}") for stage in (2, 3, 4)]
        assert (
            tuple(sum(p.numel() for p in block.parameters()) for block in blocks)
            == AFFINITY_PARAMETERS[variant]
        )

    @pytest.mark.parametrize("name", ANSWERS)
    @torch.no_grad()
    def test_answers_and_affinities(self, name: str) -> None:
        pred = golden_model(name)(golden_round())
        assert near(fingerprint(pred.logits), ANSWERS[name]["logits"])
        for stage in (2, 3, 4):
            assert near(
                fingerprint(pred.aux[f"attention_{stage}"]), ANSWERS[name][f"attention_{stage}"]
            ), stage

    @torch.no_grad()
    def test_self_attention_of_a_block(self) -> None:
        seen = []
        block = golden_model("b0").backbone.block2[0]
        handle = block.attn.register_forward_hook(
            lambda _, inputs, output: seen.append(inputs[3][0])
        )
        golden_model("b0")(golden_round())
        handle.remove()
        assert near(fingerprint(seen[0]), SELF_ATTENTION)

    @torch.no_grad()
    def test_losses(self) -> None:
        round_ = golden_round(
            512, (tuple(CLICKS), tuple(CLICKS[:2]))
        )  # the second sample has a single positive click
        target = torch.zeros(2, 1, 512, 512)
        target[:, :, 20:150, 40:200] = 1
        model = golden_model("b0")
        pred = model(round_)
        assert near(model.focal(pred.logits, target).tolist(), [0.699476, 0.661384])
        losses = model.losses(pred, target, round_)
        assert near([float(losses["affinity"]), float(losses["attention"])], [0.250394, 0.146286])
        assert float(losses["instance"]) == pytest.approx((0.699476 + 0.661384) / 2, abs=2e-4)

    def test_session(self) -> None:
        protocol = with_crops(load_protocol("click_attention"), infer_size=256)
        predictor = protocol.predictor(golden_model("b0"))
        session = predictor.start(golden_image())
        for click, golden in zip(SESSION, SESSION_ANSWERS, strict=True):
            session = predictor.click(session, click)
            assert near(fingerprint(session.prob), list(golden))
        assert session.maps["attention"].shape == (1, 1, 32, 32)
        assert session.box is None


class TestAffinity:
    def test_cells(self) -> None:
        click = Clicks.of([Click(100, 200, True)])
        assert [int(_cells(click, (256 // s, 256 // s), s)) for s in (4, 8, 16, 32)] == [
            1650,
            409,
            108,
            30,
        ]
        wide = Clicks.of([Click(15.9, 63.9, True), Click(99, 99, True)])
        assert _cells(wide, (2, 8), 8).tolist() == [[15, 15]], (
            "a click beyond the grid needs some patch"
        )

    def test_fewer_than_two_positive_clicks_leave_everything_alone(self) -> None:
        samples = (
            [Click(9, 9, True)],
            [Click(9, 9, False), Click(20, 20, False)],
            [],
            [Click(9, 9, True), Click(40, 40, True)],
        )
        round_ = golden_round(64, samples)
        with torch.no_grad():
            maps = tiny().eval()(round_).aux
        for stage in (2, 3, 4):
            weight = maps[f"attention_{stage}"]
            assert (weight[:3] == 1).all()
            assert (weight[3] < 1).all()

    def test_a_click_outside_the_view_does_not_count(self) -> None:
        round_ = golden_round(
            64, ([Click(9, 9, True), Click(-3, 9, True)], [Click(9, 9, True), Click(9, 64, True)])
        )
        with torch.no_grad():
            assert (tiny().eval()(round_).aux["attention"] == 1).all()

    def test_the_response_is_normalised_over_positions(self) -> None:
        torch.manual_seed(0)
        block, tokens = AffinityBlock(8).eval(), torch.randn(2, 24, 8)
        cells, positive = torch.tensor([[3, 7], [0, 0]]), torch.ones(2, 2, dtype=torch.bool)
        with torch.no_grad():
            weight = block(tokens, (4, 6), cells, positive)
            z = block.mlp_z(torch.stack([tokens[0, [3, 7]].mean(0), tokens[1, 0]])[:, None], (1, 1))
            response = (block.mlp_x(tokens, (4, 6)) * z).sum(2)
        assert torch.allclose(weight.logit().mean(1), torch.zeros(2), atol=1e-5)
        centred = response - response.mean(1, keepdim=True)
        deviation = (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        assert torch.allclose(weight.logit(), centred / deviation, atol=1e-4)

    @torch.no_grad()
    def test_none_ignores_the_affinity_and_paper_multiplies_it(self) -> None:
        round_, one_click = golden_round(128), golden_round(128, (tuple(CLICKS[:2]),))
        plain, paper = golden_model("b0"), golden_model("b0", "paper")
        bare = build(
            spec(
                ClickAttention,
                backbone=spec(ClickAttentionEncoder, variant="b0", stages=()),
                head=segformer_head("b0"),
            )
        ).eval()
        bare.load_state_dict(
            {key: value for key, value in plain.state_dict().items() if "attn_weight" not in key}
        )
        assert torch.allclose(bare(round_).logits, plain(round_).logits, atol=1e-5)
        assert not torch.allclose(paper(round_).logits, plain(round_).logits, atol=1e-2)
        # Before the second positive click both are the same network.
        assert torch.allclose(paper(one_click).logits, plain(one_click).logits, atol=1e-5)

    @torch.no_grad()
    def test_multiplying_scales_the_rows_of_the_self_attention(self) -> None:
        torch.manual_seed(0)
        attention = MixTransformer("tiny", side=None).block2[0].attn.eval()
        tokens, rows = torch.randn(1, 64, 32), torch.rand(1, 64)
        plain = attention(tokens, (8, 8)) - attention.proj.bias
        scaled = attention(tokens, (8, 8), rows[:, None, :, None]) - attention.proj.bias
        assert torch.allclose(scaled, rows[..., None] * plain, atol=1e-5)

    @torch.no_grad()
    def test_infer_answers_as_forward_and_keeps_only_what_is_shown(self) -> None:
        for affinity_use in ("none", "paper"):
            model, round_ = golden_model("b0", affinity_use), golden_round(128)
            inferred = model.infer(round_)
            assert torch.allclose(inferred.logits, model(round_).logits, atol=1e-5)
            assert set(inferred.aux) == {"attention", "attention_2", "attention_3", "attention_4"}


class TestLosses:
    def test_attention(self) -> None:
        target = torch.zeros(2, 1, 8, 8)
        target[:, :, :4], target[1, :, 7] = 1, -1
        weight = torch.full((2, 1, 4, 4), 0.5)
        assert float(attention_loss(weight, target, torch.tensor([1.0, 0.0]))) == pytest.approx(
            0.125
        )
        perfect = target[:, :, ::2, ::2].clamp(min=0)
        assert float(attention_loss(perfect, target, torch.ones(2))) == 0
        ignored = torch.zeros(2, 1, 8, 8) - 1
        assert float(attention_loss(weight, ignored, torch.ones(2))) == 0

    def test_affinity(self) -> None:
        """Attention that looks only at its own half, and an affinity that is the answer, carry it
        over exactly.
        """
        prob = torch.zeros(1, 1, 4, 4)
        prob[..., :2] = 1
        own = torch.zeros(1, 16, 4)  # keys on a 2 x 2 grid: 0 and 2 on the left
        left = prob.flatten().bool()
        own[0, left, 0], own[0, ~left, 1] = 1, 1
        assert float(affinity_loss(own, prob, prob, 2, torch.ones(1))) == 0
        assert float(affinity_loss(own, 1 - prob, prob, 2, torch.ones(1))) == 1
        assert float(affinity_loss(own, 1 - prob, prob, 2, torch.zeros(1))) == 0

    def test_the_affinity_is_a_constant_there(self) -> None:
        weight = torch.rand(1, 1, 4, 4, requires_grad=True)
        attention = torch.rand(1, 16, 4, requires_grad=True)
        affinity_loss(attention, weight, torch.rand(1, 1, 8, 8), 2, torch.ones(1)).backward()
        assert weight.grad is None
        assert attention.grad.any()

    def test_without_affinity_only_the_answer_is_judged(self) -> None:
        model = build(click_attention("tiny", stages=(), width=16)).eval()
        round_ = golden_round(64)
        assert set(model.losses(model(round_), torch.zeros(1, 1, 64, 64), round_)) == {"instance"}

    def test_learning_rates(self) -> None:
        model = tiny()
        rates = {
            name.partition(".")[0]: model.lr_multiplier(name)
            for name, _ in model.named_parameters()
        }
        assert rates == {"backbone": 0.1, "head": 1.0}


class TestCheckpoints:
    @pytest.mark.parametrize("name", ["b0", "b3 without affinity"])
    def test_published_files_load_strictly_and_can_be_written_again(
        self, tmp_path: Path, name: str
    ) -> None:
        state, layout = golden_state(name), publish(described(name))
        torch.save({"state_dict": state, "config": layout.config}, tmp_path / "ca.pth")
        loaded = load_model(tmp_path / "ca.pth")
        assert loaded.source == "ClickAttention (published)"
        assert loaded.report.complete
        assert loaded.spec == described(name)
        save_published(tmp_path / "again.pth", loaded)
        again = torch.load(tmp_path / "again.pth", weights_only=True)
        assert again["config"] == layout.config
        assert again["state_dict"].keys() == state.keys()
        assert all(torch.equal(again["state_dict"][key], state[key]) for key in state)

    def test_files_without_a_configuration_and_with_unknown_entries(self, tmp_path: Path) -> None:
        torch.save(golden_state("b0"), tmp_path / "bare.pth")
        assert load_model(tmp_path / "bare.pth").spec == described("b0")
        config = {
            "class": "anything",
            "params": {"use_fp16": {"type": "builtin", "value": False, "specified": True}},
        }
        torch.save({"state_dict": golden_state("b0"), "config": config}, tmp_path / "more.pth")
        assert load_model(tmp_path / "more.pth").spec == described("b0")

    @pytest.mark.parametrize(
        "config",
        [
            {"pipeline_version": "s1"},
            {"model_version": "b3"},
            {"use_attn_weight": [False, False, True, True]},
        ],
    )
    def test_a_configuration_that_contradicts_the_tensors_is_an_error(self, config: dict) -> None:
        shapes = {key: tuple(value.shape) for key, value in golden_state("b0").items()}
        with pytest.raises(IsegmError, match=next(iter(config))):
            recognise(shapes, config)

    @pytest.mark.parametrize("mark", ["refiner.image_conv1.conv.weight", "maps_transform.0.weight"])
    def test_other_segformers_are_not_click_attention(self, mark: str) -> None:
        shapes = {
            key: tuple(value.shape) for key, value in golden_state("b3 without affinity").items()
        }
        assert recognise(shapes) is not None
        assert recognise(shapes | {mark: (1,)}) is None

    def test_the_paper_s_network_has_no_published_form(self, tmp_path: Path) -> None:
        assert publish(click_attention("b0", "paper")) is None
        made = click_attention("tiny", "paper", width=16)
        save_model(tmp_path / "paper.safetensors", build(made), made)
        assert load_model(tmp_path / "paper.safetensors").model.affinity_use == "paper"

    def test_imagenet_weights(self, tmp_path: Path) -> None:
        source = MixTransformer("tiny", side=None)
        torch.save(
            {**source.state_dict(), "head.weight": torch.rand(10, 128)}, tmp_path / "mit.pth"
        )
        model = tiny()
        model.load_pretrained(str(tmp_path / "mit.pth"))
        assert torch.equal(model.backbone.block3[0].attn.q.weight, source.block3[0].attn.q.weight)
