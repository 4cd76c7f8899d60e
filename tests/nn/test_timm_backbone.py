"""TimmFeatures: any of timm's extractors, where clicks enter, and weights of the whole network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.nn.backbones.timm import TimmFeatures

timm = pytest.importorskip("timm", exc_type=(ImportError, RuntimeError))

VIT, SWIN = "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"
# Name, image size, channels: one of each way in which timm takes networks apart.
NETWORKS = {
    "resnet18": (None, [64, 64, 128, 256, 512]),  # a list of modules
    "resnet50d": (None, [64, 256, 512, 1024, 2048]),  # a first convolution inside a stem
    "convnext_atto": (None, [40, 80, 160, 320]),  # a list, whose names are joined
    "mobilenetv3_small_100": (None, [16, 16, 24, 48, 576]),  # a class of its own
    "hrnet_w18_small": (None, [64, 128, 256, 512, 1024]),  # another one
    "pvt_v2_b0": (None, [32, 64, 160, 256]),
    "repvit_m0_9": (None, [48, 96, 192, 384]),
    "legacy_xception": (None, [64, 128, 256, 728, 2048]),  # hooks
    "tf_mobilenetv3_small_minimal_100": (None, [16, 16, 24, 48, 576]),  # pads as TensorFlow does
    VIT: (64, [192, 192, 192]),  # a getter, of one size
    SWIN: (224, [96, 192, 384, 768]),  # a list, channels last
}
ENTRIES = pytest.mark.parametrize("entry", ["stem", "input"])


def made(name: str, **options: object) -> TimmFeatures:
    torch.manual_seed(0)
    return TimmFeatures(name, image_size=NETWORKS[name][0], **options).eval()


def shown(net: TimmFeatures, batch: int = 2) -> tuple[Tensor, Tensor]:
    side = net.image_size or 64
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(batch, 3, side, side, generator=generator)
    return image, torch.rand(batch, net.coords, side, side, generator=generator)


def shaken(net: nn.Module) -> nn.Module:
    """Weights and batch statistics that make every layer matter, in eval mode."""
    generator = torch.Generator().manual_seed(0)
    for name, value in net.state_dict().items():
        if value.dtype == torch.float32:
            noise = torch.randn(value.shape, generator=generator)
            positive = name.endswith(("running_var", "bn.weight"))
            value.copy_(1 + 0.1 * noise.abs() if positive else value + 0.02 * noise)
    return net.eval()


@ENTRIES
@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_features_have_the_channels_that_are_promised(name: str, entry: str) -> None:
    net = made(name, entry=entry)
    image, coords = shown(net)
    features = net(image, coords)
    assert net.channels == NETWORKS[name][1]
    assert [feature.shape[:2] for feature in features] == [(2, c) for c in net.channels]
    rows = [feature.shape[2] for feature in features]
    assert rows == sorted(rows, reverse=True)
    assert all(feature.shape[2] == feature.shape[3] for feature in features)


@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "resnet50d"])
@torch.no_grad()
def test_weights_of_the_whole_network_mean_the_same_here(name: str, tmp_path: Path) -> None:
    """The features are those that timm computes from the image, while coordinates add nothing."""
    size, _ = NETWORKS[name]
    torch.manual_seed(0)
    whole = shaken(timm.create_model(name, **({"img_size": size} if size else {})))
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    net = made(name, entry="input")
    net.load_pretrained(tmp_path / "whole.pth")
    image, coords = shown(net)
    features = net(image, coords)
    if name == "legacy_xception":  # it has no other way to give its features away
        expected = [whole.forward_features(image)]
    else:
        expected = whole.forward_intermediates(image, intermediates_only=True)
    count = min(len(expected), 3)
    for mine, timms in zip(features[-count:], expected[-count:], strict=True):
        assert timms.std() > 1e-3
        torch.testing.assert_close(mine, timms, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", VIT, "tf_mobilenetv3_small_minimal_100"])
def test_further_input_channels_change_nothing_at_first_but_learn(name: str) -> None:
    net = made(name, entry="input")
    image, coords = shown(net)
    with torch.no_grad():
        for with_clicks, without in zip(net(image, coords), net(image, 0 * coords), strict=True):
            assert torch.equal(with_clicks, without)
    sum(feature.square().mean() for feature in net(image, coords)).backward()
    added = [p for key, p in net.named_parameters() if net.is_new(key)]
    assert len(added) == 1
    assert added[0].grad.abs().sum() > 0


@torch.no_grad()
def test_coordinates_are_added_to_the_stem() -> None:
    net = made("resnet18")
    image, coords = shown(net)
    assert not torch.equal(net(image, coords)[-1], net(image, 0 * coords)[-1])
    new = [key for key in net.state_dict() if net.is_new(key)]
    places = [f"network.conv1.coords.{i}.{kind}" for i in (0, 2) for kind in ("weight", "bias")]
    assert new == places
    net.network.conv1.coords[2].weight.zero_()
    net.network.conv1.coords[2].bias.zero_()
    plain = timm.create_model("resnet18", features_only=True).eval()
    plain.load_state_dict(
        {
            key.removeprefix("network.").replace("conv1.image", "conv1", 1): value
            for key, value in net.state_dict().items()
            if not net.is_new(key)
        }
    )
    assert torch.equal(net(image, coords)[-1], plain(image)[-1])


@torch.no_grad()
def test_levels_and_modules_left_out() -> None:
    net = made("mobilenetv3_small_100", levels=[1, 3], coords=5, hidden=2)
    assert net.channels == [16, 48]
    assert [f.shape[2] for f in net(*shown(net))] == [16, 4]
    torch.manual_seed(0)
    short = TimmFeatures("efficientnet_lite0", levels=[3, 4], without=["blocks.6"])
    assert short.channels == [112, 192]  # the last stage would make 320 of these
    assert not [key for key in short.state_dict() if key.startswith("network.blocks.6.")]


@pytest.mark.parametrize(
    ("name", "levels", "last"),
    [
        ("lcnet_035", [1, 2, 3], "blocks.4"),
        ("resnet18", [1, 2], "layer2"),
        ("convnext_atto", [0], "stages_0"),
    ],
)
def test_nothing_is_kept_that_no_feature_depends_on(
    name: str, levels: list[int], last: str
) -> None:
    net = TimmFeatures(name, levels=levels)
    sum(
        feature.sum() for feature in net(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64))
    ).backward()
    assert all(p.grad is not None for p in net.parameters())
    assert any(key.startswith(f"network.{last}.") for key in net.state_dict())
    following = f"{last[:-1]}{int(last[-1]) + 1}"
    assert not any(key.startswith(f"network.{following}.") for key in net.state_dict())


def test_position_embeddings_of_another_size_are_resampled(tmp_path: Path) -> None:
    whole = shaken(timm.create_model(VIT))
    torch.save(whole.state_dict(), tmp_path / "vit.pth")
    net = made(VIT)
    net.load_pretrained(tmp_path / "vit.pth")
    assert net.network.model.pos_embed.shape == (1, 1 + 16, 192)
    assert torch.equal(net.network.model.pos_embed[:, 0], whole.pos_embed[:, 0])  # the class token
    average = whole.pos_embed[:, 1:].mean((0, 1))
    torch.testing.assert_close(
        net.network.model.pos_embed[:, 1:].mean((0, 1)), average, rtol=0, atol=0.02
    )


def test_weights_of_a_port_by_their_order(tmp_path: Path) -> None:
    whole = shaken(timm.create_model("mobilenetv3_small_100")).state_dict()
    torch.save({f"port{i}": v for i, v in enumerate(whole.values())}, tmp_path / "port.pth")
    net = made("mobilenetv3_small_100")
    net.load_pretrained(tmp_path / "port.pth")
    assert torch.equal(net.network.conv_stem.image.weight, whole["conv_stem.weight"])
    assert torch.equal(net.network.blocks[0][0].conv_dw.weight, whole["blocks.0.0.conv_dw.weight"])
    reordered = list(whole.values())[::-1]
    torch.save({f"port{i}": v for i, v in enumerate(reordered)}, tmp_path / "port.pth")
    with pytest.raises(IsegmError, match="neither its names nor the order"):
        net.load_pretrained(tmp_path / "port.pth")


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    net, other = made("resnet18"), timm.create_model("resnet26").state_dict()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    torch.save(other, tmp_path / "resnet26.pth")
    with pytest.raises(IsegmError, match=r"does not fit resnet18: .*another shape, e\.g\. layer1"):
        net.load_pretrained(tmp_path / "resnet26.pth")
    whole = timm.create_model("resnet18").state_dict()
    without_counters = {k: v for k, v in whole.items() if not k.endswith("num_batches_tracked")}
    del whole["layer2.0.conv1.weight"]
    torch.save(whole, tmp_path / "cut.pth")
    with pytest.raises(
        IsegmError, match=r"1 weights are missing .*e\.g\. layer2\.0\.conv1\.weight"
    ):
        net.load_pretrained(tmp_path / "cut.pth")
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    torch.save(without_counters, tmp_path / "counters.pth")
    net.load_pretrained(tmp_path / "counters.pth")
    assert torch.equal(net.network.conv1.image.weight, without_counters["conv1.weight"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "resnet81"}, "unknown network of timm 'resnet81'; did you mean resnet"),
        ({"name": "resnet18", "entry": "steam"}, "unknown entry 'steam'; did you mean stem"),
        (
            {"name": "resnet18", "without": ["layer5"]},
            "unknown module 'layer5'; did you mean layer",
        ),
        ({"name": "resnet18", "levels": [1, 9]}, r"features of resnet18 at levels \[1, 9\]"),
        ({"name": "resnet18", "without": ["layer2"]}, "resnet18 cannot process an image"),
        ({"name": "resnet18", "image_size": 64}, "resnet18 takes no image_size; leave it out"),
        ({"name": VIT}, "works at only one size; set image_size, e.g. to 224"),
        ({"name": SWIN}, "works at only one size; set image_size, e.g. to 224"),
        ({"name": "cait_xxs24_224"}, "works at only one size"),
        (
            {"name": "mobileone_s0"},
            "mobileone_s0 cannot process an image of 96 x 96 with 3 coordinate",
        ),
    ],
)
def test_networks_that_cannot_be_used(options: dict[str, object], message: str) -> None:
    with pytest.raises(IsegmError, match=message):
        TimmFeatures(**options)


def test_a_first_layer_that_is_no_convolution_of_the_image() -> None:
    with pytest.raises(IsegmError, match="layer of tresnet_m is not a convolution of the image"):
        TimmFeatures("tresnet_m")


@pytest.mark.parametrize("size", [(64, 96), (96, 96), (224, 224)])
def test_one_clear_error_for_another_size_than_the_networks(size: tuple[int, int]) -> None:
    net = made(VIT)
    with pytest.raises(
        IsegmError, match=rf"built for images of 64 x 64, got {size[0]} x {size[1]}"
    ):
        net(torch.zeros(1, 3, *size), torch.zeros(1, 3, *size))
