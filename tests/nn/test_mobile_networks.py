"""MobileNetV2 and PP-LCNet: sizes, strides, where clicks enter, and weights of classification
networks.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from isegm.core.errors import IsegmError
from isegm.nn.backbones.mobilenet import MobileNetV2
from isegm.nn.backbones.pplcnet import PPLCNet, scaled
from isegm.nn.heads.lite import LiteHead

STRIDED = {
    "block4.0.conv.1.conv",
    "block5.0.conv.1.conv",
    "blocks5.0.dw_conv.conv",
    "blocks6.0.dw_conv.conv",
}
NETWORKS = pytest.mark.parametrize("make", [MobileNetV2, PPLCNet])


def randomised(net: nn.Module) -> nn.Module:
    """Weights and batch statistics that make every layer matter, in eval mode."""
    generator = torch.Generator().manual_seed(0)
    for name, value in net.state_dict().items():
        if value.dtype == torch.float32:
            noise = torch.randn(value.shape, generator=generator)
            value.copy_(
                1 + 0.1 * noise.abs()
                if name.endswith(("running_var", "bn.weight"))
                else value + 0.1 * noise
            )
    return net.eval()


@NETWORKS
@pytest.mark.parametrize(("height", "width"), [(64, 96), (61, 75), (33, 47)])
@torch.no_grad()
def test_features_come_at_a_quarter_and_an_eighth_of_any_size(
    make: type, height: int, width: int
) -> None:
    net = make().eval()
    extra = torch.rand(1, net.extra_channels, -(-height // 2), -(-width // 2))
    fine, deep = net(torch.rand(1, 3, height, width), extra)
    assert fine.shape == (1, net.skip_channels, -(-height // 4), -(-width // 4))
    assert deep.shape == (1, net.out_channels, -(-height // 8), -(-width // 8))


@pytest.mark.parametrize(("make", "place"), [(MobileNetV2, "conv1"), (PPLCNet, "blocks2")])
@torch.no_grad()
def test_clicks_are_added_at_half_the_size(make: type, place: str) -> None:
    net, image, seen = make().eval(), torch.rand(1, 3, 32, 32), []
    following = {"conv1": "block1", "blocks2": "blocks3"}[place]
    net.get_submodule(place).register_forward_hook(
        lambda _, inputs, output: seen.append(output.clone())
    )
    net.get_submodule(following).register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].clone())
    )
    net(image, torch.full((1, net.extra_channels, 16, 16), 0.5))
    assert torch.equal(seen[1], seen[0] + 0.5)
    seen.clear()
    net(image)
    assert torch.equal(seen[1], seen[0])


def test_only_the_first_blocks_of_mobilenets_last_groups_are_dilated() -> None:
    net = MobileNetV2()
    spatial = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert [m.dilation[0] for m in spatial] == [1] * 6 + [2, 1, 1, 1, 2, 1, 1] + [4, 1, 1, 4]
    assert [m.stride[0] for m in spatial] == [1, 2, 1, 2] + [1] * 13
    assert all(m.padding == m.dilation for m in spatial)


@pytest.mark.parametrize(
    ("channels", "width", "expected"),
    [(16, 1, 16), (16, 0.25, 8), (32, 0.35, 16), (64, 0.35, 24), (32, 2.5, 80)],
)
def test_scaled_channels(channels: int, width: float, expected: int) -> None:
    assert scaled(channels, width) == expected


@NETWORKS
def test_weights_under_the_own_names(make: type, tmp_path: Path) -> None:
    given = randomised(make()).state_dict()
    torch.save(given | {"fc.weight": torch.rand(1000, 1280)}, tmp_path / "imagenet.pth")
    net = make()
    net.load_pretrained(tmp_path / "imagenet.pth")
    assert all(torch.equal(value, given[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("make", "name"), [(MobileNetV2, "mobilenetv2_100"), (PPLCNet, "lcnet_100")]
)
@torch.no_grad()
def test_weights_of_timm_mean_the_same_here(make: type, name: str, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", exc_type=(ImportError, RuntimeError))
    original = randomised(timm.create_model(name, pretrained=False))
    torch.save(original.state_dict(), tmp_path / "timm.pth")
    net = make()
    net.load_pretrained(tmp_path / "timm.pth")
    for block, conv in net.named_modules():  # as in the classification network
        if isinstance(conv, nn.Conv2d):
            conv.dilation, conv.padding = (1, 1), tuple(k // 2 for k in conv.kernel_size)
            conv.stride = (2, 2) if block in STRIDED else conv.stride
    image = torch.rand(1, 3, 96, 64)
    expected = original.blocks(original.bn1(original.conv_stem(image)))
    assert expected.std() > 1e-3
    torch.testing.assert_close(net.eval()(image)[1], expected, rtol=1e-4, atol=1e-4)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(MobileNetV2().state_dict(), tmp_path / "mobilenet.pth")
    with pytest.raises(IsegmError, match="PPLCNet"):
        PPLCNet().load_pretrained(tmp_path / "mobilenet.pth")
    torch.save(PPLCNet(width=0.5).state_dict(), tmp_path / "narrow.pth")
    with pytest.raises(IsegmError, match="another size"):
        PPLCNet().load_pretrained(tmp_path / "narrow.pth")


@torch.no_grad()
def test_the_share_of_the_head_follows_from_four_quarters() -> None:
    head, deep = LiteHead(8, 4, width=6).eval(), torch.rand(1, 8, 8, 12)
    shifted = deep.clone()
    shifted[..., :4, :6] = deep[..., :4, :6].flip(-1)  # the same mean in the first quarter
    assert torch.allclose(head.pyramid.share(deep), head.pyramid.share(shifted))
    brighter = deep.clone()
    brighter[..., :4, :6] += 1
    changed = (head.pyramid.share(brighter) != head.pyramid.share(deep)).any(1)[0]
    assert changed.tolist() == [[True, False], [False, False]]


@torch.no_grad()
def test_the_first_guess_of_the_head_does_not_see_fine_features() -> None:
    head, deep = LiteHead(8, 4, width=6).eval(), torch.rand(1, 8, 4, 6)
    logits, aux, features = head((torch.rand(1, 4, 8, 12), deep))
    others, same, _ = head((torch.rand(1, 4, 8, 12), deep))
    assert torch.equal(aux, same)
    assert not torch.equal(logits, others)
    assert (logits.shape, features.shape) == ((1, 1, 8, 12), (1, head.out_channels, 8, 12))
