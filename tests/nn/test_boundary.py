from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from isegm.nn.losses.boundary import BoundaryFocalLoss, boundary_band
from isegm.nn.losses.focal import NormalizedFocalLoss


def probe() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, two targets (one with ignored pixels) and a band."""
    y, x = np.mgrid[:32, :48].astype(np.float64)
    logits = np.stack([3 * np.sin(0.1 * x + 0.07 * y), 2 * np.cos(0.2 * x - 0.05 * y)])
    distance = (y - 15) ** 2 + (x - 20) ** 2
    target = np.stack([distance <= 100, distance <= 64]).astype(np.float64)
    ignoring = target.copy()
    ignoring[0][(distance > 100) & (distance <= 144)] = -1
    band = np.broadcast_to(abs(np.sqrt(distance) - 10) < 3, target.shape).astype(np.float64)
    return tuple(
        torch.from_numpy(a.astype(np.float32))[:, None] for a in (logits, target, ignoring, band)
    )


def test_boundary_focal_loss_has_the_value_of_the_original() -> None:
    logits, target, ignoring, band = probe()
    loss = BoundaryFocalLoss()
    assert float(loss(logits, target, band)) == pytest.approx(0.939358, abs=1e-5)
    assert float(loss(logits, ignoring, band)) == pytest.approx(0.852546, abs=1e-5)


def test_without_a_band_it_is_the_mean_focal_loss() -> None:
    logits, target, _, band = probe()
    everywhere = BoundaryFocalLoss()(logits, target, torch.ones_like(band))
    torch.testing.assert_close(everywhere, NormalizedFocalLoss()(logits, target).mean())


def blobs(seed: int, height: int = 96, width: int = 120) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.random((height, width)), (0, 0), 4) > 0.5


def original_band(mask: np.ndarray) -> np.ndarray:
    height, width = mask.shape
    small = cv2.resize(
        255 * mask.astype(np.uint8), (width // 8, height // 8), interpolation=cv2.INTER_LINEAR
    )
    large = (
        cv2.resize(
            255 * (small > 128).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR
        )
        > 128
    )
    return cv2.dilate((mask ^ large).astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2) > 0


@pytest.mark.parametrize("seed", range(5))
def test_the_band_is_what_opencv_makes_of_it(seed: int) -> None:
    mask = blobs(seed)
    band = boundary_band(torch.from_numpy(mask)[None, None])[0, 0].numpy()
    assert 0.01 < band.mean() < 0.9
    assert (band == original_band(mask)).mean() > 0.999


def test_straight_and_missing_objects_have_no_band_away_from_their_border() -> None:
    mask = torch.zeros(2, 1, 64, 64, dtype=torch.bool)
    mask[0, :, 16:48, 16:48] = True
    band = boundary_band(mask)
    assert not band[1].any()
    assert band[0].any()
    assert not band[0, 0, 24:40, 24:40].any()
