from __future__ import annotations

import pytest
import torch

from isegm.nn.clicks.fusion import Conv1S, ConvExtend, RGBConv, Scale


@pytest.mark.parametrize("fusion", [Conv1S(3), Conv1S(3, leaky=False), ConvExtend(3)])
def test_fusions_that_add_keep_the_image_and_meet_the_stem(fusion) -> None:
    image, coords = torch.rand(2, 3, 33, 48), torch.rand(2, 3, 33, 48)
    given, extra = fusion(image, coords)
    assert given is image
    assert extra.shape == (2, 64, 17, 24)


@pytest.mark.parametrize("norm_first", [False, True])
def test_rgb_conv_replaces_the_image(norm_first: bool) -> None:
    fusion = RGBConv(2, norm_first=norm_first)
    given, extra = fusion(torch.rand(2, 3, 33, 48), torch.rand(2, 2, 33, 48))
    assert extra is None
    assert given.shape == (2, 3, 33, 48)
    assert f"{1 if norm_first else 2}.running_mean" in fusion.state_dict()
    assert fusion.state_dict()["0.weight"].shape == (8, 5, 1, 1)


def test_scale_ignores_the_sign_of_its_number() -> None:
    scale = Scale(0.05)
    x = torch.randn(3)
    before = scale(x)
    with torch.no_grad():
        scale.scale.neg_()
    assert torch.equal(scale(x), before)
    assert torch.allclose(before, 0.05 * x)
