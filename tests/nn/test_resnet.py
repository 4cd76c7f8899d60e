from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from isegm.core.errors import IsegmError
from isegm.nn.backbones.resnet import ResNet


@pytest.mark.parametrize("layers", [10, 50])
@pytest.mark.parametrize(("height", "width"), [(64, 96), (61, 75), (33, 47)])
def test_stages_come_at_a_quarter_and_an_eighth_of_any_size(
    layers: int, height: int, width: int
) -> None:
    net = ResNet(layers, width=8).eval()
    with torch.no_grad():
        stages = net(
            torch.rand(1, 3, height, width), torch.rand(1, 64, -(-height // 2), -(-width // 2))
        )
    quarter, eighth = ((-(-height // n), -(-width // n)) for n in (4, 8))
    assert [tuple(s.shape[-2:]) for s in stages] == [quarter, eighth, eighth, eighth]
    assert (stages[0].shape[1], stages[-1].shape[1]) == (net.skip_channels, net.out_channels)
    assert net.out_channels == 8 * net.skip_channels


@pytest.mark.parametrize(
    ("layers", "expected"),
    [  # dilations of the 3x3 convolutions of the dilated stages: first block, other blocks
        (34, {"layer3": [(1, 2), (2, 2)], "layer4": [(2, 4), (4, 4)]}),
        (50, {"layer3": [(1,), (2,)], "layer4": [(2,), (4,)]}),
    ],
)
def test_the_first_block_of_a_dilated_stage_has_half_the_dilation(
    layers: int, expected: dict
) -> None:
    net = ResNet(layers, width=4)
    for name, dilations in expected.items():
        blocks = list(getattr(net, name))
        found = [
            tuple(m.dilation[0] for m in b.modules() if getattr(m, "kernel_size", None) == (3, 3))
            for b in blocks
        ]
        assert found == [dilations[0]] + [dilations[1]] * (len(blocks) - 1)
        assert all(
            m.padding == m.dilation
            for m in getattr(net, name).modules()
            if getattr(m, "kernel_size", None) == (3, 3)
        )


@pytest.mark.parametrize(("layers", "stem"), [(10, 64), (50, 128)])
def test_extra_features_are_added_before_pooling_to_the_first_channels(
    layers: int, stem: int
) -> None:
    net = ResNet(layers, width=4).eval()
    image, seen = torch.rand(1, 3, 32, 32), []
    net.maxpool.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        net(image)
        net(image, torch.full((1, 64, 16, 16), -0.5))
    plain, added = seen
    assert plain.shape == (1, stem, 16, 16)
    assert torch.equal(added[:, :64], plain[:, :64] - 0.5)
    assert torch.equal(added[:, 64:], plain[:, 64:])


def test_another_number_of_layers_names_the_known_ones() -> None:
    with pytest.raises(IsegmError, match=r"35 layers.*34"):
        ResNet(35)


def classification_file(path: Path, net: ResNet, counters: bool = True) -> Path:
    tensors = {
        key: value
        for key, value in net.state_dict().items()
        if counters or not key.endswith("num_batches_tracked")
    }
    torch.save({**tensors, "fc.weight": torch.rand(10, 4), "fc.bias": torch.rand(10)}, path)
    return path


@pytest.mark.parametrize("counters", [True, False])
def test_gluon_weights_fill_the_trunk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, counters: bool
) -> None:
    donor, net = ResNet(50, width=4), ResNet(50, width=4)
    with caplog.at_level(logging.INFO, logger="isegm"):
        net.load_pretrained(
            classification_file(tmp_path / "gluon_resnet50_v1s.pth", donor, counters)
        )
    assert all(
        torch.equal(value, donor.state_dict()[key]) for key, value in net.state_dict().items()
    )
    assert "ignored 2" in caplog.text
    assert "lacks" not in caplog.text


def test_weights_of_another_resnet_are_refused_and_leave_the_net_alone(tmp_path: Path) -> None:
    net = ResNet(10, width=4)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(IsegmError, match="ResNet of another size"):
        net.load_pretrained(classification_file(tmp_path / "resnet.pth", ResNet(10, width=6)))
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


class TestHub:
    @pytest.fixture
    def timm(self):
        return pytest.importorskip("timm", exc_type=(ImportError, RuntimeError))

    @pytest.mark.parametrize(
        ("name", "layers"), [("resnet34.gluon_in1k", 34), ("resnet50s.gluon_in1k", 50)]
    )
    def test_the_networks_of_the_hub_have_every_tensor_of_the_trunk(
        self,
        timm,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        name: str,
        layers: int,
    ) -> None:
        donor = timm.create_model(name, pretrained=False)

        def create_model(asked: str, pretrained: bool):
            assert (asked, pretrained) == (name, True)
            return donor

        monkeypatch.setattr(timm, "create_model", create_model)
        net = ResNet(layers)
        with caplog.at_level(logging.INFO, logger="isegm"):
            net.load_pretrained(f"hub:{name}")
        assert all(
            torch.equal(value, donor.state_dict()[key]) for key, value in net.state_dict().items()
        )
        assert "ignored 2" in caplog.text

    def test_a_hub_out_of_reach_says_what_to_do(
        self, timm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def create_model(asked: str, pretrained: bool):
            raise ConnectionError("no route to host\nand much more")

        monkeypatch.setattr(timm, "create_model", create_model)
        with pytest.raises(
            IsegmError, match=r"no route to host\); without a connection.*PRETRAINED"
        ) as caught:
            ResNet(34).load_pretrained("hub:resnet34.gluon_in1k")
        assert "\n" not in str(caught.value)

    def test_an_unknown_name_is_refused_before_anything_is_fetched(self, timm) -> None:
        with pytest.raises(IsegmError, match="knows no model 'resnet35'"):
            ResNet(34).load_pretrained("hub:resnet35")
