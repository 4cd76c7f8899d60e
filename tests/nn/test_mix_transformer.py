from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from isegm.core.errors import IsegmError
from isegm.nn.backbones.mix_transformer import MixBlock, MixTransformer
from isegm.nn.heads.segformer import SegFormerHead

# parameters with the input for clicks and without, keys with it
SIZES = {
    "b0": (3_324_192, 3_319_392, 180),
    "b1": (13_161_024, 13_151_424, 180),
    "b2": (24_205_888, 24_196_288, 336),
    "b3": (44_081_728, 44_072_128, 576),
    "b4": (60_852_288, 60_842_688, 836),
    "b5": (81_452_608, 81_443_008, 1056),
}


@pytest.mark.parametrize("variant", SIZES)
def test_variants_have_their_published_size(variant: str) -> None:
    with torch.device("meta"):
        net, plain = MixTransformer(variant), MixTransformer(variant, side=None)
    counts = [sum(p.numel() for p in model.parameters()) for model in (net, plain)]
    assert (*counts, len(net.state_dict())) == SIZES[variant]


@pytest.mark.parametrize(("height", "width"), [(64, 96), (61, 75), (32, 33)])
def test_maps_come_at_four_scales_of_any_size(height: int, width: int) -> None:
    net = MixTransformer("tiny").eval()
    with torch.no_grad():
        features = net(torch.rand(2, 3, height, width), torch.rand(2, 3, height, width))
        logits, first_guess, fused = SegFormerHead(net.out_channels, 24).eval()(features)
    sizes = [(-(-height // s), -(-width // s)) for s in (4, 8, 16, 32)]
    assert [tuple(f.shape) for f in features] == [
        (2, c, *size) for c, size in zip(net.out_channels, sizes, strict=True)
    ]
    assert logits.shape == (2, 1, *sizes[0])
    assert first_guess is None
    assert fused.shape == (2, 24, *sizes[0])


@pytest.mark.parametrize(
    ("side", "changed"), [("stage2", [False, True, True, True]), ("stage1", [True] * 4)]
)
def test_clicks_enter_where_they_should(side: str, changed: list[bool]) -> None:
    net = MixTransformer("tiny", side=side).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        one, other = net(image, torch.zeros(1, 3, 64, 64)), net(image, torch.rand(1, 3, 64, 64))
    assert [not torch.equal(a, b) for a, b in zip(one, other, strict=True)] == changed


def test_without_clicks_an_input_for_them_changes_nothing() -> None:
    net, plain = MixTransformer("tiny").eval(), MixTransformer("tiny", side=None).eval()
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if "side" not in k})
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(net(image), plain(image), strict=True))


def test_written_out_attention_is_the_quick_one() -> None:
    block = MixBlock(32, 2, 2, 0.0).eval()
    x, maps = torch.randn(2, 80, 32), []
    with torch.no_grad():
        watched = block(x, (8, 10), maps=maps)
        torch.testing.assert_close(block(x, (8, 10)), watched)
        ones = block(x, (8, 10), weight=torch.ones(2, 1, 80, 1))
        halves = block(x, (8, 10), weight=torch.full((2, 1, 80, 1), 0.5))
    torch.testing.assert_close(ones, watched)
    assert not torch.allclose(halves, watched)
    assert maps[0].shape == (2, 2, 80, 20)
    torch.testing.assert_close(maps[0].sum(-1), torch.ones(2, 2, 80))


def test_norms_have_the_epsilons_of_the_original() -> None:
    net = MixTransformer("tiny")
    epsilons = {
        name: module.eps
        for name, module in net.named_modules()
        if isinstance(module, torch.nn.LayerNorm)
    }
    for name, eps in epsilons.items():
        assert eps == (1e-5 if "patch_embed" in name or name.endswith("attn.norm") else 1e-6), name


def test_stochastic_depth_grows_from_zero_and_keeps_the_mean() -> None:
    net = MixTransformer("b0")
    rates = [
        block.drop_path for stage in (1, 2, 3, 4) for block in net.get_submodule(f"block{stage}")
    ]
    assert rates == pytest.approx([0.1 * i / 7 for i in range(8)])
    torch.manual_seed(0)
    block = MixBlock(8, 1, 1, 0.25).train()
    kept = block._skipped(torch.ones(4000, 2, 8))
    assert set(kept[:, 0, 0].tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert kept.mean() == pytest.approx(1, abs=0.03)


def test_imagenet_weights_fill_all_but_the_input_for_clicks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    donor, net = MixTransformer("tiny", side=None), MixTransformer("tiny")
    before = net.patch_embed_side1.proj.weight.clone()
    torch.save(
        {**donor.state_dict(), "head.weight": torch.rand(10, 128), "head.bias": torch.rand(10)},
        tmp_path / "mit.pth",
    )
    with caplog.at_level(logging.INFO, logger="isegm"):
        net.load_pretrained(tmp_path / "mit.pth")
    assert all(
        torch.equal(value, net.state_dict()[key]) for key, value in donor.state_dict().items()
    )
    assert torch.equal(net.patch_embed_side1.proj.weight, before)
    assert "ignored 2" in caplog.text
    assert "lacks" not in caplog.text


def test_what_a_user_can_get_wrong() -> None:
    with pytest.raises(IsegmError, match="did you mean"):
        MixTransformer("b")
    with pytest.raises(IsegmError, match="stage1"):
        MixTransformer("tiny", side="stage3")
    with pytest.raises(IsegmError, match="32 pixels"):
        MixTransformer("tiny")(torch.rand(1, 3, 31, 64))
    with pytest.raises(IsegmError, match="no input for clicks"):
        MixTransformer("tiny", side=None)(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
