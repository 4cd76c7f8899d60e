from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from isegm.core.errors import IsegmError
from isegm.nn.backbones.hrnet import HRNet


@pytest.mark.parametrize(("height", "width"), [(64, 96), (61, 75), (33, 47)])
def test_features_come_at_a_quarter_of_any_size(height: int, width: int) -> None:
    net = HRNet(8, "tiny").eval()
    features = net(
        torch.rand(1, 3, height, width), torch.rand(1, 64, -(-height // 2), -(-width // 2))
    )
    assert features.shape == (1, net.out_channels, -(-height // 4), -(-width // 4))
    assert net.out_channels == 120


def test_extra_features_are_added_after_the_first_activation() -> None:
    net = HRNet(8, "tiny").eval()
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(net(image), net(image, torch.zeros(1, 64, 16, 16)))
    below_zero = torch.full((1, 64, 16, 16), -0.5)  # an activation after the sum would cut this off
    stem = net.relu(net.bn1(net.conv1(image))) - 0.5
    seen = {}
    net.conv2.register_forward_pre_hook(lambda _, inputs: seen.update(stem=inputs[0]))
    net(image, below_zero)
    assert torch.equal(seen["stem"], stem)


def test_an_unknown_depth_names_the_known_ones() -> None:
    with pytest.raises(IsegmError, match="small"):
        HRNet(18, "smal")


def classification_file(path: Path, net: HRNet, **extra: torch.Tensor) -> Path:
    tensors = {f"model.{key}": value for key, value in net.state_dict().items()}
    torch.save(
        {
            **tensors,
            "classifier.weight": torch.rand(10, 4),
            "incre_modules.0.weight": torch.rand(2),
            **extra,
        },
        path,
    )
    return path


def test_imagenet_weights_fill_the_trunk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    donor, net = HRNet(8, "tiny"), HRNet(8, "tiny")
    with caplog.at_level(logging.INFO, logger="isegm"):
        net.load_pretrained(classification_file(tmp_path / "hrnet.pth", donor))
    assert all(
        torch.equal(value, donor.state_dict()[key]) for key, value in net.state_dict().items()
    )
    assert f"loaded {len(net.state_dict())} tensors" in caplog.text
    assert "ignored 2" in caplog.text


def test_imagenet_weights_of_another_width_are_refused_and_leave_the_net_alone(
    tmp_path: Path,
) -> None:
    net = HRNet(8, "tiny")
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(IsegmError, match=r"another size.*transition1"):
        net.load_pretrained(classification_file(tmp_path / "hrnet.pth", HRNet(10, "tiny")))
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"layer9.weight": torch.rand(3)}, tmp_path / "other.pth")
    with pytest.raises(IsegmError, match=r"no HRNet.*layer9"):
        HRNet(8, "tiny").load_pretrained(tmp_path / "other.pth")


def test_missing_trunk_tensors_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tensors = HRNet(8, "tiny").state_dict()
    del tensors["stage4.0.branches.3.0.conv1.weight"]
    torch.save(tensors, tmp_path / "hrnet.pth")
    with caplog.at_level(logging.WARNING, logger="isegm"):
        HRNet(8, "tiny").load_pretrained(tmp_path / "hrnet.pth")
    assert "stage4.0.branches.3.0.conv1.weight" in caplog.text
