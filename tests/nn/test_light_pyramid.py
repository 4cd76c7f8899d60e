"""LightPyramid: sizes, the way from coarse to fine, and what a pixel shuffle does to logits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.nn.heads.light_pyramid import LightPyramid


def pyramid(widths: tuple[int, ...] = (8, 8, 12)) -> LightPyramid:
    torch.manual_seed(0)
    return LightPyramid((4, 6, 10), widths).eval()


def features(rows: int = 16, columns: int = 24) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    sizes = [(-(-rows // stride), -(-columns // stride)) for stride in (1, 2, 4)]
    channels = (4, 6, 10)
    return [
        torch.randn(2, c, *s, generator=generator) for c, s in zip(channels, sizes, strict=True)
    ]


@pytest.mark.parametrize("size", [(16, 24), (15, 21), (5, 7)])
@torch.no_grad()
def test_logits_come_at_twice_the_finest_size(size: tuple[int, int]) -> None:
    head = pyramid()
    logits, auxiliary, mixed = head(features(*size))
    assert logits.shape == (2, 1, 2 * size[0], 2 * size[1])
    assert auxiliary is None
    assert mixed.shape == (2, head.out_channels, *size)
    assert head.in_channels == [4, 6, 10]


@torch.no_grad()
def test_every_level_reaches_the_answer() -> None:
    head, given = pyramid(), features()
    logits = head(given)[0]
    for level in range(3):
        changed = [f + 1 if i == level else f for i, f in enumerate(given)]
        assert not torch.allclose(head(changed)[0], logits, atol=1e-4), level


@torch.no_grad()
def test_a_single_level_is_a_pyramid_too() -> None:
    head = LightPyramid((4,), (8,)).eval()
    assert head(features()[:1])[0].shape == (2, 1, 32, 48)


def test_widths_are_changed_only_where_they_differ() -> None:
    reduce = pyramid().reduce
    assert isinstance(reduce[0], nn.Identity)
    assert (reduce[1].in_channels, reduce[1].out_channels) == (12, 8)


@torch.no_grad()
def test_four_logits_of_a_pixel_become_two_by_two() -> None:
    head = pyramid()
    head.classify[0].weight.zero_()
    head.classify[0].bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    logits = head(features())[0]
    assert torch.equal(logits[0, 0, :2, :2], torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert torch.equal(logits[:, :, ::2, ::2], torch.ones(2, 1, 16, 24))


@pytest.mark.parametrize("widths", [(8, 8), (8, 8, 8, 8), ()])
def test_as_many_widths_as_levels(widths: tuple[int, ...]) -> None:
    with pytest.raises(IsegmError, match=f"{len(widths)} widths for 3 levels"):
        pyramid(widths)
