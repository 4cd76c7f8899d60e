from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isegm.core.errors import IsegmError
from isegm.nn.heads.atrous import AtrousPyramid
from isegm.nn.heads.deeplab import RATES, DeepLabHead, SepConvHead


def stages(batch: int = 2) -> tuple[Tensor, ...]:
    return (
        torch.rand(batch, 8, 16, 20),
        torch.rand(batch, 16, 8, 10),
        torch.rand(batch, 32, 8, 10),
        torch.rand(batch, 64, 8, 10),
    )


def head() -> DeepLabHead:
    torch.manual_seed(0)
    return DeepLabHead(64, 8, width=16).eval()


def test_pixels_are_classified_at_the_size_of_the_first_stage() -> None:
    logits, aux, features = head()(stages())
    assert logits.shape == (2, 1, 16, 20)
    assert aux is None
    assert features.shape == (2, 16, 16, 20)


@pytest.mark.parametrize(
    ("point", "shape"), [("A", (2, 64, 8, 10)), ("B", (2, 48, 16, 20)), ("C", (2, 16, 16, 20))]
)
def test_insertion_points_split_the_head(point: str, shape: tuple[int, ...]) -> None:
    net, features = head(), stages()
    parts = net.before(features, point)
    assert parts[0].shape == shape
    assert torch.equal(net.after(parts, point)[0], net(features)[0])
    assert not torch.equal(net.after((parts[0] + 1, *parts[1:]), point)[0], net(features)[0])


def test_the_pyramid_sees_the_average_of_the_whole_image() -> None:
    torch.manual_seed(0)
    aspp = AtrousPyramid(8, 8, RATES).eval()
    x = torch.rand(1, 8, 40, 40)
    far = x.clone()
    # From the centre: outside the 3x3 convolutions of dilation 12, not on the grid of the others.
    far[..., 1, 1] += 1000
    with torch.no_grad():
        assert not torch.equal(aspp(x)[..., 20, 20], aspp(far)[..., 20, 20])
        aspp.pool = torch.nn.AdaptiveAvgPool2d(1)
        aspp.pool.register_forward_hook(lambda _, inputs, output: torch.zeros_like(output))
        assert torch.equal(aspp(x)[..., 20, 20], aspp(far)[..., 20, 20])


def test_dropout_follows_the_pyramid() -> None:
    assert [
        m.p
        for m in DeepLabHead(64, 8, 16, dropout=0.5).modules()
        if isinstance(m, torch.nn.Dropout)
    ] == [0.5]


def test_the_classifier_can_give_several_maps() -> None:
    assert SepConvHead(16, outputs=4)(torch.rand(2, 16, 8, 8)).shape == (2, 4, 8, 8)


def test_a_single_sample_cannot_be_trained_on() -> None:
    with pytest.raises(IsegmError, match="at least 2 samples"):
        head().train()(stages(batch=1))
