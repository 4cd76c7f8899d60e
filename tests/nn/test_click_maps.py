from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isegm.core.clicks import Click, Clicks
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.distances import Distances
from isegm.nn.clicks.gaussians import Gaussians
from isegm.reference.click_maps import SlowDisks, SlowDistances


def whole_image_reference(
    points: Tensor, size: tuple[int, int], radius: float, disks: bool
) -> Tensor:
    """The published rule, read literally: every point against every pixel. ``points`` is ``B 2N
    2``, positives first.
    """
    height, width = size
    batch, twice, _ = points.shape
    flat = points.reshape(-1, 2)
    grid = torch.stack(
        torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    )
    coords = grid[None].repeat(len(flat), 1, 1, 1)
    coords.add_(-flat[:, :, None, None])
    if not disks:
        coords.div_(radius)
    coords.mul_(coords)
    coords[:, 0] += coords[:, 1]
    squared = coords[:, :1]
    squared[flat.amax(1) < 0] = 1e6
    squared = squared.view(batch, 2, twice // 2, height, width).amin(2)
    return (squared <= radius**2).float() if disks else squared.sqrt().mul(2).tanh()


def random_clicks(seed: int, count: int = 6, integer: bool = False) -> tuple[Clicks, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    yx = (
        torch.rand(3, count, 2, generator=rng, dtype=torch.float64) * torch.tensor([60.0, 80.0]) - 5
    )
    if integer:
        yx = yx.round()
    label = torch.randint(-1, 2, (3, count), generator=rng)
    nothing = torch.full_like(yx, -1.0)
    points = [torch.where((label == sign)[..., None], yx, nothing) for sign in (1, 0)]
    return Clicks(yx, label), torch.cat(points, 1)


@pytest.mark.parametrize("integer", [True, False])
@pytest.mark.parametrize("radius", [2, 3, 5, 24])
def test_disks_equal_the_whole_image_rule_bit_for_bit(radius: int, integer: bool) -> None:
    for seed in range(10):
        clicks, points = random_clicks(seed, integer=integer)
        assert torch.equal(
            Disks(radius)(clicks, (50, 70)),
            whole_image_reference(points, (50, 70), radius, disks=True),
        )


def test_distances_equal_the_whole_image_rule_bit_for_bit() -> None:
    for seed in range(10):
        clicks, points = random_clicks(seed)
        assert torch.equal(
            Distances(260)(clicks, (50, 70)),
            whole_image_reference(points, (50, 70), 260, disks=False),
        )


def test_the_yardsticks_equal_the_quick_maps_bit_for_bit() -> None:
    for seed in range(10):
        clicks, _ = random_clicks(seed)
        for quick, slow in ((Disks(24), SlowDisks(24)), (Distances(24), SlowDistances(24))):
            assert torch.equal(quick(clicks, (50, 70)), slow(clicks, (50, 70)))
            nothing = clicks.only(7)
            assert torch.equal(quick(nothing, (50, 70)), slow(nothing, (50, 70)))


def test_the_rim_follows_the_last_bit_of_a_coordinate() -> None:
    for offset in (0.0, 1e-9, -1e-9, 1e-6, -1e-6):
        for y in (10 + offset, 10.5 + offset, 15 - offset):
            clicks = Clicks.of([Click(y, 20 - offset, True)])
            points = torch.cat([clicks.yx, torch.full((1, 1, 2), -1.0, dtype=torch.float64)], 1)
            assert torch.equal(
                Disks(5)(clicks, (40, 40)), whole_image_reference(points, (40, 40), 5, disks=True)
            )


@pytest.mark.parametrize(
    ("radius", "at", "pixels"),
    [
        (2, 50, 13),
        (3, 50, 29),
        (5, 50, 81),
        (24, 50, 1793),
        (2, 50.5, 12),
        (3, 50.5, 32),
        (5, 50.5, 80),
        (24, 50.5, 1804),
    ],
)
def test_known_pixel_counts(radius: int, at: float, pixels: int) -> None:
    positive, negative = Disks(radius)(Clicks.of([Click(at, at, False)]), (101, 101))[0]
    assert positive.sum() == 0
    assert negative.sum() == pixels


def test_a_click_beyond_one_border_is_cut_and_beyond_both_is_not_drawn() -> None:
    assert Disks(5)(Clicks.of([Click(-3, 10, True)]), (40, 40)).sum() == 17
    assert Disks(5)(Clicks.of([Click(-1, -1, True)]), (40, 40)).sum() == 0
    assert Disks(5)(Clicks.of([Click(400, 10, True)]), (40, 40)).sum() == 0


@pytest.mark.parametrize(
    ("maps", "empty"), [(Disks(5), 0.0), (Distances(5), 1.0), (Gaussians(5), 0.0)]
)
def test_no_clicks_and_padding(maps, empty: float) -> None:
    assert torch.equal(maps(Clicks.of([]), (9, 11)), torch.full((1, 2, 9, 11), empty))
    padded = Clicks(
        torch.tensor([[[4.0, 4.0], [float("nan"), 3.0]]], dtype=torch.float64),
        torch.tensor([[-1, -1]]),
    )
    assert torch.equal(maps(padded, (9, 11)), torch.full((1, 2, 9, 11), empty))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("maps", [Disks(5), Distances(5)])
def test_a_gpu_agrees_and_is_never_waited_for(maps) -> None:
    clicks, _ = random_clicks(0)
    on_gpu = clicks.to("cuda")
    maps(on_gpu, (50, 70))
    torch.cuda.set_sync_debug_mode("error")
    try:
        drawn = maps(on_gpu, (50, 70))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.allclose(drawn.cpu(), maps(clicks, (50, 70)), atol=1e-6)


def test_gaussians_fall_to_one_half_at_half_their_width() -> None:
    positive, negative = Gaussians(10)(Clicks.of([Click(20.7, 30.2, True)]), (41, 61))[0]
    assert positive[20, 30] == 1
    assert positive[20, 35].item() == pytest.approx(0.5)
    assert positive[15, 30].item() == pytest.approx(0.5)
    assert negative.max() == 0
